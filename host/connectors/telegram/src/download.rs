//! The bytes of what was received.

use futures_util::StreamExt;
use serde_json::json;

use crate::api::{CALL_TIMEOUT, CallError};
use crate::connector::TelegramConnector;
use crate::types::File;

/// The Bot API serves no larger file, in bytes (`getFile`).
const MAX_FILE: u64 = 20 * 1024 * 1024;

impl TelegramConnector {
    /// At most `length` bytes of a file from `offset`; none where it can't be had.
    pub(crate) async fn download(&self, handle: &str, offset: u64, length: u32) -> Option<Vec<u8>> {
        // Places and contacts have no bytes (`map::attachments`).
        if handle.starts_with("geo:") || handle.starts_with("tel:") {
            return None;
        }
        match self.fetch(handle, offset, u64::from(length)).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(channel = %self.channel, %error, "an attachment can't be fetched");
                None
            }
        }
    }

    async fn fetch(&self, handle: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>, CallError> {
        let file: File = self.bot.call("getFile", &json!({ "file_id": handle }), CALL_TIMEOUT).await?;
        let size = file.file_size.unwrap_or(MAX_FILE);
        let Some(path) = file.file_path.filter(|_| size <= MAX_FILE) else { return Ok(None) };
        let end = size.min(offset.saturating_add(length));
        if offset >= end {
            return Ok(Some(Vec::new()));
        }
        let response = self.bot.file(&path, offset, end - 1).await?;
        // A server that knows no ranges sends all of it: what comes before is thrown away.
        let skip = match response.status().as_u16() {
            206 => 0,
            200 => offset,
            416 => return Ok(Some(Vec::new())),
            status => return Err(CallError::Malformed { status, reason: "no file there".to_owned() }),
        };
        let wanted = (end - offset) as usize;
        let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(wanted.min(1 << 20));
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.bot.failure(error))?;
            let fresh = &chunk[skip.min(chunk.len())..];
            skip -= chunk.len() - fresh.len();
            bytes.extend_from_slice(&fresh[..fresh.len().min(wanted - bytes.len())]);
            if bytes.len() == wanted {
                break;
            }
        }
        Ok(Some(bytes))
    }
}
