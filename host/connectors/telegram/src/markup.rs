//! CommonMark to the HTML that Telegram takes: <https://core.telegram.org/bots/api#html-style>.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Renders Markdown. Every tag is closed, whatever the text; what Telegram can't show (rules, HTML, tables) comes out as
/// text, headings as bold, list items with a bullet or their number.
pub(crate) fn html(markdown: &str) -> String {
    let mut writer = Writer { fresh: true, ..Writer::default() };
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        writer.event(event);
    }
    writer.out.trim_end().to_owned()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Nothing was written yet in what holds the next block, so that no space is due before it.
    fresh: bool,
    /// One for each list open: the next number, or none where there are bullets.
    lists: Vec<Option<u64>>,
    /// One for each link or image open: whether a tag was written for it.
    links: Vec<bool>,
    /// Telegram knows no quotation within a quotation.
    quotes: usize,
    /// What closes the code block that is open.
    code_end: &'static str,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => {
                self.tag("<code>");
                self.text(&code);
                self.tag("</code>");
            }
            Event::SoftBreak | Event::HardBreak => self.tag("\n"),
            Event::Rule => {
                self.block();
                self.tag("———");
            }
            // Of extensions that are not enabled.
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.block(),
            Tag::Heading { .. } => {
                self.block();
                self.tag("<b>");
            }
            Tag::BlockQuote(_) => self.quote(),
            Tag::CodeBlock(kind) => self.code_block(&kind),
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                    self.fresh = true;
                }
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::Emphasis => self.tag("<i>"),
            Tag::Strong => self.tag("<b>"),
            Tag::Strikethrough => self.tag("<s>"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.link(&dest_url),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) | TagEnd::Strong => self.tag("</b>"),
            TagEnd::Emphasis => self.tag("</i>"),
            TagEnd::Strikethrough => self.tag("</s>"),
            TagEnd::HtmlBlock => self.drop_line_end(),
            TagEnd::CodeBlock => {
                self.drop_line_end();
                self.tag(self.code_end);
            }
            TagEnd::BlockQuote(_) => {
                self.quotes -= 1;
                if self.quotes == 0 {
                    self.tag("</blockquote>");
                }
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Link | TagEnd::Image if self.links.pop() == Some(true) => self.tag("</a>"),
            _ => {}
        }
    }

    /// Makes room before a block.
    fn block(&mut self) {
        if !std::mem::take(&mut self.fresh) {
            self.out.push_str(if self.lists.is_empty() { "\n\n" } else { "\n" });
        }
    }

    fn quote(&mut self) {
        self.block();
        if self.quotes == 0 {
            self.tag("<blockquote>");
        }
        self.fresh = true;
        self.quotes += 1;
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'_>) {
        self.block();
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or_default(),
            CodeBlockKind::Indented => "",
        };
        if language.is_empty() {
            self.tag("<pre>");
            self.code_end = "</pre>";
        } else {
            self.tag(&format!("<pre><code class=\"language-{}\">", escape(language)));
            self.code_end = "</code></pre>";
        }
    }

    fn item(&mut self) {
        if !self.fresh {
            self.out.push('\n');
        }
        self.out.push_str(&"  ".repeat(self.lists.len().saturating_sub(1)));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.out.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.out.push_str("• "),
        }
        self.fresh = true;
    }

    /// Links within links, and to places Telegram does not open, are shown by their text alone.
    fn link(&mut self, url: &str) {
        let opens = ["http://", "https://", "tg://", "mailto:", "tel:"].iter().any(|scheme| url.starts_with(scheme));
        let shown = opens && !self.links.contains(&true);
        if shown {
            self.tag(&format!("<a href=\"{}\">", escape(url)));
        }
        self.links.push(shown);
    }

    fn drop_line_end(&mut self) {
        if self.out.ends_with('\n') {
            self.out.pop();
        }
    }

    fn text(&mut self, text: &str) {
        self.tag(&escape(text));
    }

    fn tag(&mut self, html: &str) {
        self.out.push_str(html);
        self.fresh = false;
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(markdown: &str, expect: &str) {
        assert_eq!(html(markdown), expect, "{markdown}");
    }

    #[test]
    fn what_telegram_shows_is_marked_up() {
        check("**bold** *it* ~~no~~ `a<b`", "<b>bold</b> <i>it</i> <s>no</s> <code>a&lt;b</code>");
        check("# Title\n\ntext\nmore", "<b>Title</b>\n\ntext\nmore");
        check("[a & b](https://x.org/?a=1&b=2)", "<a href=\"https://x.org/?a=1&amp;b=2\">a &amp; b</a>");
        check(
            "```rust\nlet a = b\"<\";\n```",
            "<pre><code class=\"language-rust\">let a = b&quot;&lt;&quot;;</code></pre>",
        );
        check("> one\n>\n> two\n>\n> > three", "<blockquote>one\n\ntwo\n\nthree</blockquote>");
    }

    #[test]
    fn what_telegram_can_not_show_stays_readable() {
        check("intro\n\n- a\n- b\n  - c\n\n1. x\n2. y", "intro\n\n• a\n• b\n  • c\n\n1. x\n2. y");
        check("a\n\n---\n\nb", "a\n\n———\n\nb");
        check("<script>x</script> 1 < 2 & 3", "&lt;script&gt;x&lt;/script&gt; 1 &lt; 2 &amp; 3");
        check("[click](javascript:alert(1))", "click");
        check("[![cat](https://x/c.png)](https://x)", "<a href=\"https://x\">cat</a>");
    }

    #[test]
    fn text_that_only_looks_like_markup_is_left_alone() {
        check("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name");
        check("**open and `never closed", "**open and `never closed");
    }

    /// Telegram's own rule: every tag is closed, in order.
    fn balanced(html: &str) -> bool {
        let mut open = Vec::new();
        for tag in html.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            match tag.strip_prefix('/') {
                Some(name) if open.pop() == Some(name) => {}
                Some(_) => return false,
                None => open.push(tag.split(' ').next().unwrap_or_default()),
            }
        }
        open.is_empty()
    }

    proptest! {
        #[test]
        fn tags_are_always_closed_in_order(text in "[-*_~`#>\\[\\]()<&a-c1.! \n]{0,80}") {
            let html = html(&text);
            prop_assert!(balanced(&html), "{html:?}");
        }
    }
}
