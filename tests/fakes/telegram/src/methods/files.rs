//! Files: sent along, by their id or their bytes, and fetched again.

use serde_json::{Value, json};

use super::Call;
use crate::bot::{Bot, StoredFile};
use crate::params::Upload;
use crate::refusal::{Answer, Refusal};
use crate::world::World;

/// The largest file a bot may fetch, in bytes.
const MAX_FETCH: usize = 20 * 1024 * 1024;
/// The largest file a bot may send, in bytes; of a photo less.
const MAX_UPLOAD: usize = 50 * 1024 * 1024;
const MAX_PHOTO: usize = 10 * 1024 * 1024;

impl Call<'_> {
    /// The file of a message on its way, as the Bot API shows it.
    pub(super) fn file(&self, bot: &mut Bot, field: &str) -> Answer {
        let named = self.params.text(field).map(|value| value.strip_prefix("attach://").unwrap_or(value));
        if let Some(upload) = self.params.uploads.get(field).or_else(|| self.params.uploads.get(named?)) {
            let limit = if field == "photo" { MAX_PHOTO } else { MAX_UPLOAD };
            return match upload.bytes.len() {
                0 => Err(Refusal::bad_request("file must be non-empty")),
                size if size > limit => Err(Refusal::new(413, "Request Entity Too Large")),
                _ => Ok(stored(bot, field, upload)),
            };
        }
        let id = named.ok_or_else(|| Refusal::bad_request(format_args!("there is no {field} in the request")))?;
        let file = bot.files.get(id).ok_or_else(|| Refusal::bad_request("wrong file identifier/HTTP URL specified"))?;
        let shown = json!({ "file_id": id, "file_unique_id": format!("u{id}"), "file_size": file.bytes.len() });
        Ok(as_shown(field, shown))
    }

    pub(super) fn get_file(&self, world: &mut World) -> Answer {
        let id = self.params.text("file_id").unwrap_or_default();
        let file = world.bot(self.bot)?.files.get(id).ok_or_else(|| Refusal::bad_request("invalid file_id"))?;
        if file.bytes.len() > MAX_FETCH {
            return Err(Refusal::bad_request("file is too big"));
        }
        Ok(json!({
            "file_id": id, "file_unique_id": format!("u{id}"), "file_size": file.bytes.len(), "file_path": file.path,
        }))
    }
}

/// Keeps a file and gives it an id; `field` is the field of a message that holds it.
pub(crate) fn stored(bot: &mut Bot, field: &str, upload: &Upload) -> Value {
    let number = bot.files.len() + 1;
    let id = format!("file-{}-{number}", bot.id);
    let path = format!("{field}s/file_{number}");
    bot.files.insert(id.clone(), StoredFile { path, bytes: upload.bytes.clone() });
    let mut shown = json!({ "file_id": id, "file_unique_id": format!("u{id}"), "file_size": upload.bytes.len() });
    if let Some(name) = &upload.name {
        shown["file_name"] = name.as_str().into();
    }
    if let Some(media_type) = &upload.media_type {
        shown["mime_type"] = media_type.as_str().into();
    }
    as_shown(field, shown)
}

/// A photo is shown as a list of its sizes, the smallest first.
fn as_shown(field: &str, mut file: Value) -> Value {
    if field != "photo" {
        return file;
    }
    let mut small = file.clone();
    small["file_id"] = format!("{}-small", file["file_id"].as_str().unwrap_or_default()).into();
    (small["width"], small["height"]) = (90.into(), 60.into());
    (file["width"], file["height"]) = (1280.into(), 853.into());
    json!([small, file])
}
