//! Secrets come from the environment or from files, never from the text.

use std::io;
use std::path::PathBuf;

use secrecy::SecretString;
use toml::de::DeValue;

use super::context::Context;
use super::keys;
use super::node::Node;
use super::report::Place;

/// Where a secret is.
pub(crate) enum Reference {
    Env(String, Place),
    File(PathBuf, Place),
}

/// The remedy for a secret that can't be used: `name` is what the key is called.
fn remedy(name: &str) -> String {
    let variable = name.to_uppercase().replace('-', "_");
    format!("write `{name} = {{ env = \"{variable}\" }}` or `{name} = {{ file = \"{name}.txt\" }}`")
}

/// Reads `{ env = … }` or `{ file = … }`.
pub(crate) fn reference(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Reference> {
    let name = node.place.key.rsplit('.').next().unwrap_or_default();
    if !node.value.is_table() {
        cx.report.mask(node.place.span.clone());
        let message = match node.value {
            DeValue::String(_) => format!("`{}` is a secret, and secrets never stand in the config", node.place.key),
            _ => format!("`{}` must say where the secret is", node.place.key),
        };
        cx.report.add(&node.place, message, Some(remedy(name)));
        return None;
    }
    let table = node.table(&mut cx.report, keys::SECRET)?;
    match (table.get("env"), table.get("file")) {
        (Some(env), None) => Some(Reference::Env(env.text(&mut cx.report)?.to_owned(), env.place)),
        (None, Some(file)) => {
            let text = file.text(&mut cx.report)?;
            Some(Reference::File(cx.path(text), file.place))
        }
        _ => {
            let message = format!("`{}` must have either `env` or `file`", node.place.key);
            cx.report.add(&node.place, message, Some(remedy(name)));
            None
        }
    }
}

/// The secret itself. Its value goes, hashed, into the config's digest; its file is one of the config's.
pub(crate) fn read(cx: &mut Context<'_>, node: &Node<'_>) -> Option<SecretString> {
    let (input, place, found) = match reference(cx, node)? {
        Reference::Env(name, place) => {
            let value = cx.sources.secrets.env(&name).ok_or_else(|| not_set(&name));
            (format!("env {name}"), place, value.and_then(|value| refuse_empty(value, &format!("`{name}`"))))
        }
        Reference::File(path, place) => {
            cx.file(path.clone());
            let shown = path.display().to_string();
            let value = cx.sources.secrets.file(&path).and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
            });
            let value = value.map_err(|error| unreadable(&shown, &error));
            (format!("file {shown}"), place, value.and_then(|value| refuse_empty(value, &shown)))
        }
    };
    match found {
        Ok(value) => {
            cx.input(input, value.as_bytes());
            Some(SecretString::from(value))
        }
        Err((message, help)) => {
            cx.input(input, message.as_bytes());
            cx.report.add(&place, message, Some(help));
            None
        }
    }
}

fn not_set(name: &str) -> (String, String) {
    let help = format!("set it where the host is started: `export {name}=…`, or an environment file of the service");
    (format!("the environment variable `{name}` is not set"), help)
}

fn unreadable(path: &str, error: &io::Error) -> (String, String) {
    let help = "the path is relative to the folder of the config file; the host's user must be able to read it";
    (format!("the secret file {path} can't be read: {error}"), help.to_owned())
}

fn refuse_empty(value: String, whence: &str) -> Result<String, (String, String)> {
    if value.trim().is_empty() {
        return Err((format!("the secret in {whence} is empty"), "put the secret there".to_owned()));
    }
    Ok(value)
}
