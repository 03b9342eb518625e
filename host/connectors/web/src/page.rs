//! The pages, as they are sent.

use std::sync::Arc;

use crate::live::Live;

/// What the pages load, by file name: (name, media type, content).
pub(crate) const ASSETS: [(&str, &str, &str); 6] = [
    ("chat.css", "text/css; charset=utf-8", include_str!("page/chat.css")),
    ("chat.js", JAVASCRIPT, include_str!("page/chat.js")),
    ("link.js", JAVASCRIPT, include_str!("page/link.js")),
    ("log.js", JAVASCRIPT, include_str!("page/log.js")),
    ("markdown.js", JAVASCRIPT, include_str!("page/markdown.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CHAT: &str = include_str!("page/index.html");
const PLAIN: &str = include_str!("page/plain.html");

pub(crate) fn chat(live: &Live) -> String {
    fill(CHAT, &live.settings().title, live.channel.as_str())
}

/// The chats to choose from.
pub(crate) fn list(all: &[Arc<Live>]) -> String {
    let items: String = all
        .iter()
        .map(|live| {
            let title = escape(&live.settings().title);
            format!("<li><a href=\"/chat/{name}\">{title}<small>{name}</small></a></li>", name = live.channel)
        })
        .collect();
    fill(PLAIN, "Chats", "").replace("{{body}}", &format!("<ul class=\"chats\">{items}</ul>"))
}

pub(crate) fn no_chat() -> String {
    let body = "<p>Add a channel with <code>kind = \"web\"</code> to the config, and reload this page.</p>";
    fill(PLAIN, "No chat is open", "").replace("{{body}}", body)
}

pub(crate) fn absent() -> String {
    let body = "<p>It was closed, or never was. <a href=\"/\">See what is open</a>.</p>";
    fill(PLAIN, "This chat is not open", "").replace("{{body}}", body)
}

pub(crate) fn wrong_link() -> String {
    let body = "<p>It may have been replaced by a newer one: ask whoever gave it to you.</p>";
    fill(PLAIN, "This link is not valid", "").replace("{{body}}", body)
}

fn fill(page: &str, title: &str, channel: &str) -> String {
    page.replace("{{channel}}", channel).replace("{{title}}", &escape(title))
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // What a placeholder begins with: a title must not be filled in itself.
            '{' => safe.push_str("&#123;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_text_and_nothing_else() {
        let page = fill(CHAT, "<script>\"{{channel}}\"", "desk");
        assert!(page.contains("&lt;script&gt;&quot;&#123;&#123;channel}}&quot;"));
        assert!(!page.contains("{{"));
    }

    /// The content security policy lets nothing else run.
    #[test]
    fn the_pages_have_no_inline_code_and_load_nothing_from_elsewhere() {
        for page in [CHAT, PLAIN] {
            assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("javascript:"));
            assert!(!page.contains("http://") && !page.contains("https://"));
            for script in page.split("<script").skip(1) {
                assert!(script.starts_with(" src=\"/chat-assets/"), "{script}");
            }
            for tag in page.split('<').filter_map(|rest| rest.split('>').next()) {
                assert!(!tag.contains(" on"), "an event handler in <{tag}");
            }
        }
        for (name, _, content) in ASSETS.iter().filter(|(_, media_type, _)| *media_type == JAVASCRIPT) {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
                assert!(!content.contains(way), "{way} in {name}");
            }
        }
    }
}
