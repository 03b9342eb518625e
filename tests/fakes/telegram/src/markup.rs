//! The HTML that Telegram takes: what is shown, what it marks, and what is refused.

use serde_json::{Value, json};

use crate::refusal::{Answer, Refusal};

/// A text as it is shown, with its entities.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Marked {
    pub(crate) text: String,
    pub(crate) entities: Vec<Value>,
}

impl Marked {
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), entities: Vec::new() }
    }
    pub(crate) fn units(&self) -> usize {
        self.text.encode_utf16().count()
    }
}

/// A tag that is open.
struct Open<'a> {
    name: &'a str,
    kind: &'static str,
    start: usize,
    url: Option<String>,
}

pub(crate) fn parse_html(html: &str) -> Answer<Marked> {
    let mut marked = Marked::default();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    while let Some(c) = html[at..].chars().next() {
        match c {
            '<' => {
                let end = html[at..]
                    .find('>')
                    .ok_or_else(|| wrong(format_args!("Unclosed start tag at byte offset {at}")))?;
                let tag = &html[at + 1..at + end];
                match tag.strip_prefix('/') {
                    Some(name) => close(&mut marked, &mut open, name.trim(), at)?,
                    None => open.push(opened(tag, at, marked.units())?),
                }
                at += end + 1;
            }
            '&' => {
                let (c, length) = character(&html[at..]);
                marked.text.push(c);
                at += length;
            }
            c => {
                marked.text.push(c);
                at += c.len_utf8();
            }
        }
    }
    match open.last() {
        Some(tag) => Err(wrong(format_args!("Can't find end tag corresponding to start tag \"{}\"", tag.name))),
        None => Ok(marked),
    }
}

fn opened(tag: &str, at: usize, start: usize) -> Answer<Open<'_>> {
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
    let attribute = |wanted: &str| {
        let value = tag.split_once(&format!("{wanted}=\""))?.1;
        value.split('"').next().map(|value| value.replace("&amp;", "&").replace("&quot;", "\""))
    };
    let kind = match name.to_ascii_lowercase().as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "code" => "code",
        "pre" => "pre",
        "a" => "text_link",
        "blockquote" => "blockquote",
        "tg-spoiler" => "spoiler",
        "tg-emoji" => "custom_emoji",
        "span" if attribute("class").as_deref() == Some("tg-spoiler") => "spoiler",
        "span" => return Err(wrong(format_args!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}"))),
        _ => return Err(wrong(format_args!("Unsupported start tag \"{name}\" at byte offset {at}"))),
    };
    Ok(Open { name, kind, start, url: attribute("href") })
}

fn close(marked: &mut Marked, open: &mut Vec<Open<'_>>, name: &str, at: usize) -> Answer<()> {
    let Some(tag) = open.pop() else {
        return Err(wrong(format_args!("Unexpected end tag at byte offset {at}")));
    };
    if !name.is_empty() && name != tag.name {
        let (expected, found) = (format!("</{}>", tag.name), format!("</{name}>"));
        return Err(wrong(format_args!(
            "Unmatched end tag at byte offset {at}, expected \"{expected}\", found \"{found}\""
        )));
    }
    let length = marked.units() - tag.start;
    // Nothing is marked by an empty tag, and a link without a place is only text.
    if length > 0 && (tag.kind != "text_link" || tag.url.is_some()) {
        let mut entity = json!({ "type": tag.kind, "offset": tag.start, "length": length });
        if let Some(url) = tag.url {
            entity["url"] = url.into();
        }
        marked.entities.push(entity);
    }
    Ok(())
}

/// The character an entity stands for, and the bytes it takes; an `&` that starts none stands for itself.
fn character(html: &str) -> (char, usize) {
    for (name, c) in [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')] {
        if html.starts_with(name) {
            return (c, name.len());
        }
    }
    let numbered = || {
        let (digits, _) = html.strip_prefix("&#")?.split_once(';')?;
        let code =
            digits.strip_prefix('x').map_or_else(|| digits.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        Some((char::from_u32(code?)?, digits.len() + 3))
    };
    numbered().unwrap_or(('&', 1))
}

fn wrong(what: std::fmt::Arguments<'_>) -> Refusal {
    Refusal::bad_request(format_args!("can't parse entities: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_counted_in_utf16_units_of_what_is_shown() {
        let marked = parse_html("👋 <b>a &lt; <i>b</i></b>&#33;").unwrap();
        assert_eq!(marked.text, "👋 a < b!");
        assert_eq!(marked.entities[0], json!({ "type": "italic", "offset": 7, "length": 1 }));
        assert_eq!(marked.entities[1], json!({ "type": "bold", "offset": 3, "length": 5 }));
    }

    #[test]
    fn what_telegram_can_not_parse_is_refused_in_its_words() {
        let check = |html: &str, expect: &str| {
            let refusal = parse_html(html).unwrap_err();
            assert_eq!(refusal.description, format!("Bad Request: can't parse entities: {expect}"));
        };
        check("<p>x</p>", "Unsupported start tag \"p\" at byte offset 0");
        check("a <b>x", "Can't find end tag corresponding to start tag \"b\"");
        check("<b><i>x</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"");
        check("x</b>", "Unexpected end tag at byte offset 1");
        check("1 < 2", "Unclosed start tag at byte offset 2");
    }
}
