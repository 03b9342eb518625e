//! Values of the file together with their places, and how they are read: what has the wrong type is reported, once.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Shape};
use super::report::{Place, Report};
use super::{suggest, units};

/// A value and its place.
#[derive(Clone)]
pub(crate) struct Node<'t> {
    pub(crate) value: &'t DeValue<'t>,
    pub(crate) place: Place,
    /// Where its key stands; for an element of a list, the element itself.
    pub(crate) name_span: Range<usize>,
}

impl<'t> Node<'t> {
    fn child(&self, name: &str, name_span: Range<usize>, value: &'t Spanned<DeValue<'t>>) -> Self {
        let key = if self.place.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place.key) };
        Self { value: value.get_ref(), place: Place { span: value.span(), key }, name_span }
    }

    /// The place of the key, for what is wrong with the whole of a table.
    pub(crate) fn name_place(&self) -> Place {
        Place { span: self.name_span.clone(), key: self.place.key.clone() }
    }

    pub(crate) fn root(table: &'t DeValue<'t>) -> Self {
        Self { value: table, place: Place { span: 0..0, key: String::new() }, name_span: 0..0 }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Self> {
        let (key, value) = self.value.as_table()?.get_key_value(name)?;
        Some(self.child(name, key.span(), value))
    }

    /// The entries of a table; none of anything else.
    pub(crate) fn entries(&self) -> Vec<(&'t str, Self)> {
        let table: Option<&'t DeTable<'t>> = self.value.as_table();
        let entries = table.into_iter().flatten();
        entries.map(|(name, value)| (&**name.get_ref(), self.child(name.get_ref(), name.span(), value))).collect()
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> Vec<Self> {
        let elements = self.value.as_array().into_iter().flat_map(|array| array.iter());
        let node = |value: &'t Spanned<DeValue<'t>>| Self {
            value: value.get_ref(),
            place: Place { span: value.span(), key: self.place.key.clone() },
            name_span: value.span(),
        };
        elements.map(node).collect()
    }

    /// Reports that something else was expected here.
    pub(crate) fn expected(&self, report: &mut Report, what: &str) {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let tables = self.elements().iter().any(|e| e.value.is_table()) && what.starts_with("a table");
        let help = tables.then(|| format!("write it once, as `[{}]` with single brackets", self.place.key));
        report.add(&self.place, format!("`{}` must be {what}, not {found}", self.place.key), help);
    }

    pub(crate) fn text(&self, report: &mut Report) -> Option<&'t str> {
        match self.value {
            DeValue::String(text) if text.trim().is_empty() => {
                report.add(&self.place, format!("`{}` is empty", self.place.key), None);
                None
            }
            DeValue::String(text) => Some(text),
            _ => {
                self.expected(report, "a text in quotes");
                None
            }
        }
    }

    pub(crate) fn flag(&self, report: &mut Report) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.expected(report, "true or false");
        }
        flag
    }

    pub(crate) fn number(&self, report: &mut Report, min: i64, max: i64) -> Option<i64> {
        let Some(integer) = self.value.as_integer() else {
            self.expected(report, &format!("a whole number from {min} to {max}"));
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| (min..=max).contains(n));
        if number.is_none() {
            report.add(&self.place, format!("`{}` must be from {min} to {max}", self.place.key), None);
        }
        number
    }

    pub(crate) fn duration(&self, report: &mut Report, min: Duration, max: Duration) -> Option<Duration> {
        let Some(text) = self.value.as_str() else {
            self.expected(report, "a length of time such as \"30s\"");
            return None;
        };
        let Some(duration) = units::duration(text) else {
            let help = "write a whole number and `ms`, `s`, `m`, `h` or `d`, as in \"50ms\", \"30s\" or \"24h\"";
            report.add(&self.place, format!("\"{text}\" is no length of time"), Some(help.to_owned()));
            return None;
        };
        let shown = (units::show_duration(min), units::show_duration(max));
        self.within(report, duration, min, max, shown)
    }

    fn size(&self, report: &mut Report, min: u64, max: u64) -> Option<u64> {
        let Some(text) = self.value.as_str() else {
            self.expected(report, "a size such as \"64MiB\"");
            return None;
        };
        let Some(size) = units::size(text) else {
            let help = "write a whole number and `B`, `KiB`, `MiB` or `GiB`, as in \"64MiB\"";
            report.add(&self.place, format!("\"{text}\" is no size"), Some(help.to_owned()));
            return None;
        };
        self.within(report, size, min, max, (units::show_size(min), units::show_size(max)))
    }

    fn within<T: PartialOrd>(
        &self,
        report: &mut Report,
        value: T,
        min: T,
        max: T,
        (low, high): (String, String),
    ) -> Option<T> {
        if value < min || value > max {
            report.add(&self.place, format!("`{}` must be from {low} to {high}", self.place.key), None);
            return None;
        }
        Some(value)
    }

    /// A list of texts, each with its place. What is no text is reported and left out.
    pub(crate) fn texts(&self, report: &mut Report) -> Vec<(Self, &'t str)> {
        if self.value.as_array().is_none() {
            let help = self.value.as_str().map(|text| format!("write a list: [\"{text}\"]"));
            match help {
                Some(_) => report.add(&self.place, format!("`{}` must be a list of texts", self.place.key), help),
                None => self.expected(report, "a list of texts"),
            }
        }
        self.elements().into_iter().filter_map(|node| node.text(report).map(|text| (node.clone(), text))).collect()
    }

    /// This table, with its keys checked.
    pub(crate) fn table(&self, report: &mut Report, keys: &'static [Key]) -> Option<Table<'t>> {
        if !self.value.is_table() {
            self.expected(report, "a table");
            return None;
        }
        self.refuse_unknown(report, keys.iter().map(|key| key.name));
        Some(Table { node: self.clone(), keys })
    }

    /// Reports the keys that nobody knows.
    pub(crate) fn refuse_unknown(&self, report: &mut Report, known: impl Iterator<Item = &'static str> + Clone) {
        for (name, node) in self.entries() {
            if known.clone().any(|key| key == name) {
                continue;
            }
            // It may be a misspelt `token`.
            if node.value.is_str() {
                report.mask(node.place.span.clone());
            }
            let whole = match self.place.key.as_str() {
                "" => "the config".to_owned(),
                key => format!("`{key}`"),
            };
            let message = format!("{whole} has no key `{name}`");
            report.add(&node.name_place(), message, suggest::help(name, known.clone()));
        }
    }
}

/// A table whose keys are known.
pub(crate) struct Table<'t> {
    pub(crate) node: Node<'t>,
    keys: &'static [Key],
}

impl<'t> Table<'t> {
    /// For a table whose keys were checked with [`Node::refuse_unknown`].
    pub(crate) fn checked(node: Node<'t>, keys: &'static [Key]) -> Self {
        Self { node, keys }
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        let shape = self.keys.iter().find(|key| key.name == name).map(|key| key.shape);
        debug_assert!(shape.is_some(), "`{name}` is not among the keys of `{}`", self.node.place.key);
        shape
    }

    pub(crate) fn get(&self, name: &str) -> Option<Node<'t>> {
        self.shape(name)?;
        self.node.get(name)
    }

    /// The value of a key that can't be left out.
    pub(crate) fn require(&self, report: &mut Report, name: &str) -> Option<Node<'t>> {
        let node = self.get(name);
        if node.is_none() {
            let place = self.node.name_place();
            report.add(&place, format!("`{}` lacks `{name}`", place.key), None);
        }
        node
    }

    pub(crate) fn text(&self, report: &mut Report, name: &str) -> Option<&'t str> {
        self.get(name)?.text(report)
    }

    pub(crate) fn flag(&self, report: &mut Report, name: &str) -> Option<bool> {
        self.get(name)?.flag(report)
    }

    pub(crate) fn texts(&self, report: &mut Report, name: &str) -> Vec<(Node<'t>, &'t str)> {
        self.get(name).map_or_else(Vec::new, |node| node.texts(report))
    }

    pub(crate) fn duration(&self, report: &mut Report, name: &str) -> Option<Duration> {
        let Some(Shape::Duration(min, max)) = self.shape(name) else { return None };
        self.get(name)?.duration(report, min, max)
    }

    pub(crate) fn size(&self, report: &mut Report, name: &str) -> Option<u64> {
        let Some(Shape::Size(min, max)) = self.shape(name) else { return None };
        self.get(name)?.size(report, min, max)
    }

    pub(crate) fn number(&self, report: &mut Report, name: &str) -> Option<i64> {
        let Some(Shape::Number(min, max)) = self.shape(name) else { return None };
        self.get(name)?.number(report, min, max)
    }

    /// One of the words that the key takes, as the type that goes by those words.
    pub(crate) fn choice<T: serde::de::DeserializeOwned>(&self, report: &mut Report, name: &str) -> Option<T> {
        let Some(Shape::Choice(words)) = self.shape(name) else { return None };
        let node = self.get(name)?;
        let text = node.text(report)?;
        if !words.contains(&text) {
            let message = format!("`{}` can't be \"{text}\"", node.place.key);
            report.add(&node.place, message, suggest::help(text, words.iter().copied()));
            return None;
        }
        serde_json::from_value(serde_json::Value::from(text)).ok()
    }
}
