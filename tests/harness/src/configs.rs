//! The configs that most cases start from. `{TELEGRAM}`, `{MODEL}` and `{WHATSAPP}` stand for where the fakes are.

/// What the model is told first.
pub const SYSTEM: &str = "You are helpful.";
/// How many lines of a chat the model is shown before the new one.
pub const HISTORY: usize = 4;

/// How long a call of a plugin may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadlines {
    /// What everybody has who writes none.
    Default,
    /// For cases about something else: on a busy machine a call may wait for a core longer than the default for a policy.
    Long,
}

/// Policy, commands, assistant and model on one Telegram bot.
pub fn assistant_config(allow_from: &str) -> String {
    personal(Deadlines::Long) + &telegram_channel(allow_from)
}

/// The same on one WhatsApp account.
pub fn whatsapp_config(allow_from: &str) -> String {
    format!(
        r#"{}
[channels.wa]
kind = "whatsapp"
ws_url = "{{WHATSAPP}}"
version = "2.3000.1026131876"
route = "personal"
send_limits = "off"
allow_from = [{allow_from}]
"#,
        personal(Deadlines::Long)
    )
}

/// A bot on the route of [`personal`]. Its keys are the last of the text.
pub fn telegram_channel(allow_from: &str) -> String {
    format!(
        r#"
[channels.tg]
kind = "telegram"
api_url = "{{TELEGRAM}}"
token = {{ file = "bot.token" }}
route = "personal"
send_limits = "off"
allow_from = [{allow_from}]
"#
    )
}

/// A web chat that anybody may use, to go after any of the others.
pub const PAGE_CONFIG: &str = r#"
[routes.public]
replies = ["commands"]
prompt = "assistant"
model = "main"

[channels.page]
kind = "web"
route = "public"
open = true
"#;

const MAIN_MODEL: &str = "[models.main]";

/// [`personal`] with a model that is asked for its answers in one piece.
pub fn in_one_piece(personal: &str) -> String {
    personal.replace(MAIN_MODEL, &format!("{MAIN_MODEL}\nstream = false"))
}

/// The plugins, the model and the route of the main job.
pub fn personal(deadlines: Deadlines) -> String {
    let limits = match deadlines {
        Deadlines::Default => "",
        Deadlines::Long => "limits = { deadline = \"20s\" }\n",
    };
    format!(
        r#"
[plugins.allowlist]
source = "builtin:allowlist"
{limits}
[plugins.commands]
source = "builtin:commands"
{limits}
[plugins.assistant]
source = "builtin:assistant"
{limits}settings = {{ system = "{SYSTEM}", history = {HISTORY} }}

{MAIN_MODEL}
base_url = "{{MODEL}}/v1"
model = "test"

[routes.personal]
policies = ["allowlist"]
replies = ["commands"]
prompt = "assistant"
model = "main"
"#
    )
}
