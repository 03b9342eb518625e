//! What can be asked of the program.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};
use switchhook_core::id::{ChannelName, InboxId};
use switchhook_core::person::PersonId;
use switchhook_store::LogPlace;

/// What somebody who hands on this binary has to know.
#[cfg(feature = "whatsapp")]
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nLicence: AGPL-3.0-only, for the WhatsApp connector that this build holds.\n",
    "Built with --no-default-features it is Apache-2.0 OR MIT.",
);
#[cfg(not(feature = "whatsapp"))]
const LONG_VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), "\nLicence: Apache-2.0 OR MIT; this build has no WhatsApp connector.");

const AFTER_HELP: &str = "\
Examples:
  switchhook                                run the host with config/switchhook.toml
  switchhook check --config box.toml        say everything that is wrong with a config
  switchhook reload --dry-run               say what an edit would touch
  switchhook explain m17                    say who decided what about a message
  switchhook link me                        link a channel with a phone

Exit codes:
  0  done
  1  an internal or other error
  2  the command line is wrong
  3  the config has errors
  4  no host is running, or it can't be reached
  5  the running host refused (nothing of that name, or not in that state)
  6  the phone was not linked";

/// A self-hosted host for messaging channels, with sandboxed plugins for the logic.
#[derive(Debug, Parser)]
#[command(name = "switchhook", version = LONG_VERSION, after_help = AFTER_HELP)]
pub struct Args {
    /// The config file [default: $SWITCHHOOK_CONFIG, then config/switchhook.toml, then the one in your config folder]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How a command answers.
#[derive(Debug, Clone, Copy, Group)]
pub(crate) struct Output {
    /// Answer in JSON, for scripts
    #[arg(long)]
    pub(crate) json: bool,
}

const LINK_HELP: &str = "\
Shows a QR code in the terminal, and the next one before it dies, until a phone
has scanned it. Ctrl-C cancels. Piped, it draws each code once; with --json it
prints the attempt, one a line, whenever something of it changed.

Examples:
  switchhook link me                        scan the code with the phone
  switchhook link me --code +15551234567    type a code on that phone
  switchhook link me --confirm              give up the link that stands

It ends with 0 when the phone is linked, and with 6 when it is not.";

/// What `switchhook link` is asked.
#[derive(Debug, Group)]
pub(crate) struct LinkArgs {
    /// The channel, as the config names it
    pub(crate) channel: ChannelName,
    /// Show a code to type on the phone of this number [default: the channel's `number`]
    #[arg(long, value_name = "+NUMBER", num_args = 0..=1, value_parser = number)]
    pub(crate) code: Option<Option<PersonId>>,
    /// Give up a link that stands, if there is one
    #[arg(long)]
    pub(crate) confirm: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What `switchhook messages` is asked.
#[derive(Debug, Group)]
pub(crate) struct MessagesArgs {
    /// The channel, as the config names it
    pub(crate) channel: ChannelName,
    /// How many entries to look at, from 1 to 500
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Go on where the last answer ended
    #[arg(long, value_name = "PLACE")]
    pub(crate) before: Option<LogPlace>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the host (the same as no command at all)
    #[command(
        after_help = "Stop it with Ctrl-C or SIGTERM: it finishes what it has begun. A second one quits at once.\n\
                            It notices edits of its config by itself; SIGHUP makes it look now."
    )]
    Run,
    /// Check the config, its secrets and its plugins, without starting anything
    #[command(after_help = "Example:\n  switchhook check --json | jq '.problems[].message'")]
    Check(Output),
    /// Print the JSON Schema of the config, for editors
    #[command(after_help = "Example:\n  switchhook schema > switchhook.schema.json")]
    Schema,
    /// Make the running host read its config now
    #[command(after_help = "Example:\n  switchhook reload --dry-run && switchhook reload")]
    Reload {
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show how the running host is
    #[command(
        after_help = "Example:\n  switchhook status --json | jq -r '.channels[] | [.name, .status.state] | @tsv'"
    )]
    Status(Output),
    /// Show what each plugin decided about a message, and how fast
    #[command(after_help = "Example:\n  switchhook explain m17")]
    Explain {
        /// The message, as the log shows it
        #[arg(value_name = "MESSAGE")]
        message: InboxId,
        #[command(flatten)]
        output: Output,
    },
    /// Look at plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// What was given up on
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Messages that wait for your word
    #[command(subcommand)]
    Held(HeldCommand),
    /// People who have written
    #[command(subcommand)]
    Contacts(ContactsCommand),
    /// Link a channel with a phone, by QR code or by a code to type
    #[command(after_help = LINK_HELP)]
    Link(LinkArgs),
    /// Show the devices that channels are on their phones
    #[command(after_help = "Examples:\n  switchhook devices\n  switchhook devices me --json | jq .connection.state")]
    Devices {
        /// Only this channel's, with all that is known of it
        channel: Option<ChannelName>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a channel received and sent, newest first, and how far it came
    #[command(after_help = "Texts are not shown. Statuses: pending, sent, delivered, read, failed.\n\nExamples:\n  \
                            switchhook messages me\n  \
                            switchhook messages me --json | jq '.messages[] | select(.status == \"failed\")'")]
    Messages(MessagesArgs),
    /// End a channel's link: tells the phone, and forgets the keys
    #[command(after_help = "Example:\n  switchhook unlink me")]
    Unlink { channel: ChannelName },
    /// Wipe a channel's credentials without telling the phone
    #[command(
        after_help = "For what `unlink` can't mend. The phone goes on listing the device until it is removed there.\n\n\
                            Example:\n  switchhook reset me && switchhook link me"
    )]
    Reset { channel: ChannelName },
    /// The master key, which seals all that is kept
    #[command(subcommand)]
    Key(KeyCommand),
    /// Compile a component; the host starts this for itself
    #[command(hide = true)]
    Compile {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

const ROTATE_HELP: &str = "\
The running host does it while it goes on: no channel is touched. Without a host
the command does it by itself. Cut off, by a kill or a power cut, it goes on when
the host starts or when you run it again; until then both keys are needed.
At the end the tables are written anew: messages wait for that moment, and the
disk needs room for the tables once more.
The new key takes the place of the old one, which is kept beside it, as
master.key.NAME.old, for backups from before. No key is ever printed.

Where the environment gives the key, or a file that can't be replaced, only you
can change it: stop the host, and name the variable that holds the new one.

Examples:
  switchhook key rotate
  switchhook key rotate --json | jq -r .key
  NEW_KEY=$(openssl rand -hex 32) switchhook key rotate --new-key-env NEW_KEY";

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Seal everything with a new master key
    #[command(after_help = ROTATE_HELP)]
    Rotate {
        /// The new key is in this environment variable, and you put it in its place; no host may run
        #[arg(long, value_name = "NAME")]
        new_key_env: Option<String>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins the running host uses
    List(Output),
    /// Show what a plugin says of itself; needs no running host
    #[command(
        after_help = "Examples:\n  switchhook plugin inspect builtin:allowlist\n  switchhook plugin inspect my.wasm"
    )]
    Inspect {
        /// builtin:NAME, or a .wasm file
        source: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List messages and deliveries that failed for good
    List(Output),
    /// Try one again
    #[command(after_help = "Examples:\n  switchhook dead replay m17    run the message through its plugins again\n  \
                            switchhook dead replay d4     send the delivery again")]
    Replay {
        /// A message (m17) or a delivery (d4)
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HeldCommand {
    /// List messages that a policy holds
    List(Output),
    /// Let a message run again; a further hold counts as a pass
    Approve { message: InboxId },
    /// Drop a message
    Drop { message: InboxId },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactsCommand {
    /// List people, with what you have said of them
    List(Output),
    /// Approve a person for good
    #[command(after_help = "Example:\n  switchhook contacts approve tg:12345")]
    Approve {
        #[arg(value_parser = person)]
        person: PersonId,
    },
    /// Block a person for good
    Block {
        #[arg(value_parser = person)]
        person: PersonId,
    },
    /// Take back what you have said of a person
    Forget {
        #[arg(value_parser = person)]
        person: PersonId,
    },
}

fn number(text: &str) -> Result<PersonId, String> {
    PersonId::from_number(text).map_err(|error| error.to_string())
}

fn person(text: &str) -> Result<PersonId, String> {
    use switchhook_core::person::Member;
    match Member::parse(text, None) {
        Ok(Member::Person(id)) => Ok(id),
        Ok(Member::Group(_)) => Err("this is a group: name one person".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_command_is_no_error() {
        assert!(Args::try_parse_from(["switchhook"]).unwrap().command.is_none());
    }

    #[test]
    fn ids_are_checked_before_anybody_is_asked() {
        assert!(Args::try_parse_from(["switchhook", "explain", "d17"]).is_err());
        assert!(Args::try_parse_from(["switchhook", "contacts", "approve", "group:family"]).is_err());
        assert!(Args::try_parse_from(["switchhook", "contacts", "approve", "tg:1"]).is_ok());
    }

    #[test]
    fn a_number_is_checked_before_anybody_is_asked() {
        let link = |rest: &[&str]| Args::try_parse_from([&["switchhook", "link", "me"], rest].concat());
        for bad in ["15551234567", "+1", "+1555123456x"] {
            let error = link(&["--code", bad]).unwrap_err().to_string();
            assert!(error.contains("is no phone number"), "{error}");
        }
        for good in [&[][..], &["--code"], &["--code", "+1 555 123-4567"]] {
            assert!(link(good).is_ok(), "{good:?}");
        }
    }
}
