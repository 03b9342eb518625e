//! Keeps secrets that somebody wrote into the config out of messages: a log must not hold what a mistake put in a file.

use std::ops::Range;

/// Names whose literal values are masked wherever they stand: even a text that can't be parsed is shown.
const SECRET_NAMES: [&str; 6] = ["token", "secret", "password", "key", "auth", "sid"];

/// The text with these parts, and every literal that looks like a secret, as asterisks. Bytes keep their places.
pub(crate) fn masked(text: &str, spans: &[Range<usize>]) -> String {
    let mut hidden: Vec<Range<usize>> = spans.to_vec();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        literals(line, start, &mut hidden);
        start += line.len();
    }
    let mut bytes = text.as_bytes().to_vec();
    for byte in hidden.into_iter().filter_map(|span| text.get(span.clone()).map(|_| span)).flatten() {
        if !matches!(bytes[byte], b'\n' | b'\r' | b'"' | b'\'') {
            bytes[byte] = b'*';
        }
    }
    // Only whole characters were replaced, each by ASCII.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Finds `name = "literal"` in a line, for names of secrets.
fn literals(line: &str, start: usize, hidden: &mut Vec<Range<usize>>) {
    for (at, _) in line.match_indices('=') {
        let name = line[..at].trim_end().trim_end_matches(['"', '\'']).to_ascii_lowercase();
        if !SECRET_NAMES.iter().any(|secret| name.ends_with(secret)) {
            continue;
        }
        let value = line[at + 1..].trim_start();
        let from = line.len() - value.len();
        if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let length = value[1..].find(quote).map_or(value.len(), |end| end + 1);
            hidden.push(start + from + 1..start + from + length.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_hidden_and_places_stay() {
        let text = "token = \"12:äb\"\nname = \"x\"\napi_key='k' # y\nkeys_dir = \"keys\"\n";
        let out = masked(text, &[]);
        assert_eq!(out, "token = \"******\"\nname = \"x\"\napi_key='*' # y\nkeys_dir = \"keys\"\n");
        assert_eq!(out.len(), text.len());
    }

    #[test]
    fn an_unclosed_literal_is_hidden_to_the_end_of_its_line() {
        assert_eq!(masked("token = \"abc\n[x]\n", &[]), "token = \"***\n[x]\n");
        assert_eq!(masked("token = \"", &[]), "token = \"");
    }

    #[test]
    fn given_parts_are_hidden() {
        assert_eq!(masked("a = \"bc\" d", &[4..8, 9..10]), "a = \"**\" *");
        assert_eq!(masked("ä", &[1..2, 0..9]), "ä");
    }
}
