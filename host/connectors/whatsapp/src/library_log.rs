//! What the library says of its own trouble, in our log. It writes numbers, names and whole stanzas into its lines, so of
//! a line only its place and its first words get through, up to the first word that is not one of the library's trade.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::Mutex;

/// The crates of the library. Others that write to the same log are no business of ours.
const CRATES: [&str; 3] = ["whatsapp_rust", "wacore", "waproto"];
/// One place of the library is heard this often at most: a peer can make it complain as often as it likes.
const EVERY: Duration = Duration::from_secs(60);

/// The words of the library's own warnings. A line is cut before any other: what a person wrote or is called does not
/// get through, other than these very words.
const WORDS: &str = "\
    a ack ad adding after already an app attempt attribute background batch be because before binary blob body \
    buffer but by cache call can't cannot chat children clean cleanup client code collection companion compute \
    connect connection contact contacts content continuation could count create crypto data database dead decode \
    decrypt decryption delete delivery detected device device-list devices digest direct disconnect disconnected \
    dispatch does download drain drop dropped dropping due during empty encode encrypt encryption enqueue entry \
    error establish event exceeded existing expired failed failure fatal fetch file find finish flush for forcing \
    frame from full get group handle handler handshake has have history id identity ignoring in incoming info \
    initial invalid iq is it items jid keepalive key key-index keys learn lid lid-pn list load local lock logout \
    lost malformed mapping marshal media message messages metadata migrate migration missing mutation nack name \
    namespace network new no node noise not notification of offline on or outbound outdated own pair pair-code \
    pair-success pairing parse participant passkey patch payload peer pending persist phash phone ping plaintext pn \
    pre-key pre-keys prekey prekeys presence primary processing prologue protocol push queue read receipt received \
    receiving recipient reconnect recover ref refresh refused register rejected release remove reply request resend \
    response restore resume retry rotate save saver saving secret self send sender sending sent server session set \
    shutdown sign signal signature signed skipping snapshot socket stanza state status still stop storage store \
    stream sync synced syncing task tc the this time timed timeout to token transport type unavailable unexpected \
    unhandled unknown unmarshal unsupported update upload user usync value verification verify version waiting was \
    web websocket while will with without write";

#[derive(Default)]
struct LibraryLog {
    heard: Mutex<HashMap<Place, Instant>>,
}

type Place = (Option<&'static str>, Option<u32>);

/// From now on warnings and errors of the library are in our log. Does nothing where the process has another such log.
pub fn hear_library() {
    static LOG: LazyLock<LibraryLog> = LazyLock::new(LibraryLog::default);
    if log::set_logger(&*LOG).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Log for LibraryLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        let module = record.module_path().unwrap_or_default();
        let ours = CRATES.iter().any(|name| module.starts_with(name));
        if !ours || !self.enabled(record.metadata()) || !self.is_new((record.file_static(), record.line())) {
            return;
        }
        let (line, said) = (record.line().unwrap_or_default(), first_words(&record.args().to_string()));
        match record.level() {
            Level::Error => tracing::error!(place = %format_args!("{module}:{line}"), "the WhatsApp library: {said}"),
            _ => tracing::warn!(place = %format_args!("{module}:{line}"), "the WhatsApp library: {said}"),
        }
    }

    fn flush(&self) {}
}

impl LibraryLog {
    fn is_new(&self, place: Place) -> bool {
        let (now, mut heard) = (Instant::now(), self.heard.lock());
        let new = heard.get(&place).is_none_or(|before| now.duration_since(*before) >= EVERY);
        if new {
            heard.insert(place, now);
        }
        new
    }
}

/// The text up to the first word that may be somebody's.
fn first_words(text: &str) -> String {
    let known = |word: &&str| {
        let bare = word.trim_end_matches([',', '.', ';']).to_ascii_lowercase();
        WORDS.split_ascii_whitespace().any(|one| one == bare)
    };
    let words: Vec<&str> = text.split(' ').collect();
    let kept: Vec<&str> = words.iter().copied().take_while(known).collect();
    match kept.len() {
        all if all == words.len() => kept.join(" "),
        0 => "…".to_owned(),
        _ => format!("{} …", kept.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_line_ends_before_what_may_be_somebodys() {
        for (said, kept) in [
            ("Received pair-success without request ID", "Received pair-success without request ID"),
            ("Failed to send acknowledgement: Socket(Closed)", "Failed to send …"),
            ("Failed to handle retry receipt for 15551234567@lid: gone", "Failed to handle retry receipt for …"),
            ("Failed to send message to Alice Liddell, who is away", "Failed to send message to …"),
            ("15551234567 is unknown", "…"),
            ("message: the cuckoo sings", "…"),
            ("", "…"),
        ] {
            assert_eq!(first_words(said), kept);
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Says it as the library would at some line of one of its modules, so many times.
    fn heard(module: &str, level: Level, times: u32) -> String {
        let written = Written::default();
        let out = written.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || out.clone()).finish();
        let log = LibraryLog::default();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..times {
                log.log(
                    &Record::builder()
                        .level(level)
                        .target("Client/Recv")
                        .module_path(Some(module))
                        .line(Some(7))
                        .args(format_args!(
                            "Failed to decrypt message {} of {}: {}",
                            "3EB0", "Alice", "the cuckoo sings"
                        ))
                        .build(),
                );
            }
        });
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// F5, A8: an operator hears of the library's trouble and where it is, and nothing that anybody wrote or is called.
    #[test]
    fn trouble_of_the_library_is_heard_without_anybodys_words() {
        let log = heard("whatsapp_rust::message", Level::Error, 3);
        assert_eq!(log.lines().count(), 1, "once a minute: {log}");
        assert!(log.contains("ERROR") && log.contains("whatsapp_rust::message:7"), "{log}");
        assert!(log.contains("the WhatsApp library: Failed to decrypt message …"), "{log}");
        for secret in ["3EB0", "Alice", "cuckoo"] {
            assert!(!log.contains(secret), "{log}");
        }
        assert!(heard("wacore::store", Level::Warn, 1).contains("WARN"));
        assert_eq!(heard("whatsapp_rust::message", Level::Info, 1), "");
        assert_eq!(heard("rustls::client", Level::Error, 1), "");
    }
}
