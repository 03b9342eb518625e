//! Hostile plugins: each attack costs the message that carried it its own answer, and the channel beside it nothing.

use serde_json::Value;

use crate::harness::{World, eventually};

#[path = "../hostile/components.rs"]
mod components;

/// Who attacks, on the bot 4242, and who has nothing to do with it, on the bot 4343.
const ATTACKER: i64 = 1001;
const NEIGHBOUR: i64 = 2002;
/// A route whose policy is hostile.
const ON_POLICY: &str = "policies = [\"allowlist\", \"hostile\"]\nprompt = \"assistant\"";
/// What a person is told where the config wants an apology.
const APOLOGY: &str = "Sorry, something went wrong";

/// A deadline that an attack is to run into, and that no innocent call does, however busy the machine is.
const SOON: &str = "1s";
/// One that nothing runs into: what is to end an attack is another limit.
const LATE: &str = "30s";

/// A channel whose route has hostile plugins where `attacked` names them, and one that has nothing to do with it.
fn config(attacked: &str, deadline: &str) -> String {
    format!(
        r#"
[plugins.hostile]
source = "hostile.wasm"
limits = {{ deadline = "{deadline}" }}

[plugins.allowlist]
source = "builtin:allowlist"
limits = {{ deadline = "{LATE}" }}

[plugins.assistant]
source = "builtin:assistant"
limits = {{ deadline = "{LATE}" }}
settings = {{ system = "You are helpful.", history = 0 }}

[models.main]
base_url = "{{MODEL}}/v1"
model = "test"

[routes.attacked]
{attacked}
model = "main"

[routes.quiet]
policies = ["allowlist"]
prompt = "assistant"
model = "main"

[channels.attacked]
kind = "telegram"
api_url = "{{TELEGRAM}}"
token = {{ file = "bot.token" }}
route = "attacked"
send_limits = "off"
allow_from = ["tg:{ATTACKER}"]

[channels.neighbour]
kind = "telegram"
api_url = "{{TELEGRAM}}"
token = {{ file = "other.token" }}
route = "quiet"
send_limits = "off"
allow_from = ["tg:{NEIGHBOUR}"]
"#
    )
}

/// A hostile plugin beside the config, and how often each side has been answered.
struct Siege {
    world: World,
    attacker: usize,
    neighbour: usize,
}

impl Siege {
    async fn start(component: &[u8], attacked: &str, deadline: &str) -> Self {
        let mut world = World::empty();
        std::fs::write(world.path("hostile.wasm"), component).expect("the plugin");
        world.write_config(&config(attacked, deadline));
        world.host.start().await;
        world.telegram.polled(4242).await;
        world.telegram.polled(4343).await;
        Self { world, attacker: 0, neighbour: 0 }
    }

    /// Three messages of the neighbour with an attack in their midst.
    async fn attack(&mut self, text: &str) {
        self.neighbour_writes().await;
        self.world.telegram.write(4242, ATTACKER, text).await;
        self.neighbour_writes().await;
        self.neighbour_writes().await;
    }

    async fn neighbour_writes(&mut self) {
        self.neighbour += 1;
        self.world.telegram.write(4343, NEIGHBOUR, &format!("n{}", self.neighbour)).await;
    }

    /// The next thing the attacker is told.
    async fn told(&mut self) -> String {
        self.attacker += 1;
        self.world.telegram.nth_to(ATTACKER, self.attacker).await
    }

    /// An innocent message on the attacked channel is answered as ever.
    async fn goes_on(&mut self, after: &str) {
        self.world.telegram.write(4242, ATTACKER, &format!("after {after}")).await;
        assert_eq!(self.told().await, format!("echo: after {after}"));
    }

    /// Waits until the message with this text is parked, and gives the reason.
    async fn parked(&self, text: &str) -> String {
        eventually(&format!("`{text}` is parked"), || async {
            let dead = self.world.host.cli_json(&["dead", "list"]);
            let of_text = |message: &&Value| message["content"]["text"] == text;
            let found = dead["messages"].as_array()?.iter().find(of_text)?["reason"].as_str()?.to_owned();
            Some(found)
        })
        .await
    }

    /// One attack after another, each of which parks its own message for its own reason and no other.
    async fn round(&mut self, attacks: &[(&str, &str)]) {
        for (attack, code) in attacks {
            self.attack(attack).await;
            let reason = self.parked(attack).await;
            assert!(reason.contains(&format!("plugin `hostile` failed ({code})")), "{attack}: {reason}");
            self.goes_on(attack).await;
        }
        self.over().await;
    }

    /// The neighbour has every answer, in order, and nobody has one too many; both channels are connected.
    async fn over(&self) {
        self.world.telegram.nth_to(NEIGHBOUR, self.neighbour).await;
        let expected: Vec<_> = (1..=self.neighbour).map(|n| format!("echo: n{n}")).collect();
        assert_eq!(self.world.telegram.texts_to(NEIGHBOUR).await, expected);
        assert_eq!(self.world.telegram.texts_to(ATTACKER).await.len(), self.attacker);
        for name in ["attacked", "neighbour"] {
            let channel = self.world.host.channel(name).await.expect("it is listed");
            assert_eq!(channel["status"]["state"], "connected", "{name}");
        }
    }

    /// Memory of the host in KiB that nobody shares: what it has of the program's file depends on who else runs it.
    #[cfg(target_os = "linux")]
    fn memory(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.world.host.id())).expect("/proc");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("it has some");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }
}

/// Each attack on a policy that has no end of its own.
const ENDLESS: [(&str, &str); 5] = [
    ("loop", "deadline"),
    ("hold-future", "deadline"),
    ("wasi-calls", "deadline"),
    ("logs", "deadline"),
    ("print", "deadline"),
];
/// Each that another limit ends, and the code of the failure it ends in.
const GREEDY: [(&str, &str); 11] = [
    ("memory", "memory"),
    ("trap", "trap"),
    ("stack", "trap"),
    ("exit", "trap"),
    ("handles", "trap"),
    ("host-calls", "limit"),
    ("kv", "limit"),
    ("kv-keys", "limit"),
    ("string", "limit"),
    ("long-reason", "limit"),
    ("error", "internal"),
];

/// F4: a policy that fails lets nothing through. Its message is parked, the reason names plugin and failure, nobody is
/// answered; and what the attack took is given back.
#[tokio::test]
async fn hostile_policy_costs_its_own_message_only() {
    each_costs_its_own_message(&GREEDY, LATE).await;
}

/// F4: the same where only the clock ends it.
#[tokio::test]
async fn endless_policy_costs_its_own_message_only() {
    each_costs_its_own_message(&ENDLESS, SOON).await;
}

/// Rounds of attacks after which memory that has grown by more than a tenth in each of them is a leak. The first fills
/// for good what is filled once (the pool's resident pages, caches), and any one may leave holes in the allocator.
#[cfg(target_os = "linux")]
const ROUNDS: usize = 5;

async fn each_costs_its_own_message(attacks: &[(&str, &str)], deadline: &str) {
    let mut siege = Siege::start(&components::rust("policy"), ON_POLICY, deadline).await;
    siege.round(attacks).await;
    #[cfg(target_os = "linux")]
    {
        let mut had = vec![siege.memory()];
        while had.len() < ROUNDS {
            siege.round(attacks).await;
            let (before, now) = (had[had.len() - 1], siege.memory());
            if now * 10 <= before * 11 {
                return;
            }
            had.push(now);
        }
        panic!("after each round the host had more memory, in KiB: {had:?}");
    }
}

/// F4: a route that names itself, or one that there is none of, leads nowhere.
#[tokio::test]
async fn policy_that_routes_in_circles_parks_its_message() {
    let mut siege = Siege::start(&components::rust("policy"), ON_POLICY, LATE).await;
    siege.attack("route").await;
    assert!(siege.parked("route").await.contains("circle"));
    siege.goes_on("route").await;
    siege.attack("route-nowhere").await;
    assert!(siege.parked("route-nowhere").await.contains("may not use"));
    siege.goes_on("route-nowhere").await;
    siege.over().await;
}

/// F4: no compiler emits it, so it is written in text: a table that grows for ever.
#[tokio::test]
async fn policy_that_grows_its_table_parks_its_message() {
    let mut siege = Siege::start(&components::text("table"), ON_POLICY, LATE).await;
    // Short enough for one message of Telegram, long enough for the plugin.
    let long = "long".repeat(1_000);
    siege.attack(&long).await;
    let reason = siege.parked(&long).await;
    assert!(reason.contains("failed (limit)") && reason.contains("table"), "{reason}");
    siege.goes_on("table").await;
    siege.over().await;
}

/// F4: a reply plugin that fails is passed over, apologised for, or has its message parked, as the config says.
#[tokio::test]
async fn hostile_reply_does_what_the_config_says() {
    let route = "policies = [\"allowlist\"]\nreplies = [\"hostile\"]\nprompt = \"assistant\"";
    let attacks = ["loop", "memory", "trap", "stack", "list", "sends", "string", "hold-future"];
    let mut siege = Siege::start(&components::rust("reply"), route, SOON).await;
    for attack in attacks {
        siege.attack(attack).await;
        assert_eq!(siege.told().await, format!("echo: {attack}"), "skipped: the model answers");
    }
    let before = siege.world.host.attempts().await;
    siege.world.edit("source = \"hostile.wasm\"\n", "source = \"hostile.wasm\"\non_failure = \"apologise\"\n");
    siege.world.host.attempted(before, "applied").await;
    for attack in attacks {
        siege.attack(attack).await;
        let told = siege.told().await;
        assert!(told.starts_with(APOLOGY), "{attack}: {told}");
    }
    let before = siege.world.host.attempts().await;
    siege.world.edit("\"apologise\"", "\"hold\"");
    siege.world.host.attempted(before, "applied").await;
    for attack in attacks {
        siege.attack(attack).await;
        let reason = siege.parked(attack).await;
        assert!(reason.contains("plugin `hostile` failed"), "{attack}: {reason}");
    }
    // Into another chat, which nobody granted.
    siege.attack("elsewhere").await;
    siege.goes_on("elsewhere").await;
    siege.over().await;
}

/// F4: a prompt that fails is apologised for; asking the model for ever counts as failing.
#[tokio::test]
async fn hostile_prompt_is_apologised_for() {
    let route = "policies = [\"allowlist\"]\nprompt = \"hostile\"";
    let mut siege = Siege::start(&components::rust("prompt"), route, SOON).await;
    for attack in ["loop", "memory", "trap", "stack", "list", "string", "read-loop", "read-trap", "rounds"] {
        siege.attack(attack).await;
        let told = siege.told().await;
        assert!(told.starts_with(APOLOGY), "{attack}: {told}");
        siege.goes_on(attack).await;
    }
    siege.over().await;
}

/// F3, F4: a plugin that lies about itself, or attacks while it is looked at, is refused as a whole, and what runs goes on.
#[tokio::test]
async fn lying_plugin_changes_nothing() {
    let honest = components::rust("policy");
    let route = ON_POLICY;
    let mut siege = Siege::start(&honest, route, SOON).await;
    let generation = siege.world.host.generation().await;
    let mark = b"lie:none--------";
    let at = honest.windows(mark.len()).position(|window| window == mark).expect("it is marked");
    for (lie, expect) in [("name", "`describe`"), ("text", "no JSON"), ("schema", "schema"), ("trap", "`describe`")] {
        let mut liar = honest.clone();
        liar[at + 4..at + 12].copy_from_slice(format!("{lie:-<8}").as_bytes());
        refused(&siege, expect, || {
            std::fs::write(siege.world.path("aside"), &liar).expect("the plugin");
            std::fs::rename(siege.world.path("aside"), siege.world.path("hostile.wasm")).expect("a rename");
        })
        .await;
        siege.goes_on(lie).await;
    }
    let before = siege.world.host.attempts().await;
    std::fs::write(siege.world.path("hostile.wasm"), &honest).expect("the plugin");
    siege.world.host.attempted(before, "unchanged").await;
    let with = |from: &str, to: &str| config(route, SOON).replace(from, to);
    let settings = |what: &str| format!("source = \"hostile.wasm\"\nsettings = {{ do = \"{what}\" }}");
    for (edit, expect) in [
        (with("source = \"hostile.wasm\"", &settings("panic")), "these settings hurt"),
        (with("source = \"hostile.wasm\"", &settings("loop")), "longer than"),
        // A policy in the place of a reply plugin.
        (with("[\"allowlist\", \"hostile\"]", "[\"allowlist\"]\nreplies = [\"hostile\"]"), "hostile"),
    ] {
        refused(&siege, expect, || siege.world.write_config(&edit)).await;
        siege.attack("trap").await;
    }
    siege.goes_on("all of it").await;
    assert_eq!(siege.world.host.generation().await, generation);
    siege.over().await;
}

async fn refused(siege: &Siege, expect: &str, edit: impl FnOnce()) {
    let before = siege.world.host.attempts().await;
    edit();
    let attempt = siege.world.host.attempted(before, "rejected").await;
    // On one line, wherever it was wrapped.
    let rendered = attempt["rendered"].as_str().expect("the errors are rendered").replace("\n  │ ", " ");
    assert!(rendered.contains(expect), "{expect:?} is missing:\n{rendered}");
}
