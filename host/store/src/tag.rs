//! HMACs that stand for what must not be seen, and how they and the states lie in a row.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use switchhook_core::time::UnixMillis;

use crate::journal::{DeliveryState, InboxState};

/// Stands for a text in look-ups: the first 16 bytes of an HMAC-SHA256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag(pub(crate) [u8; 16]);

impl Tag {
    /// Stands for no account.
    pub(crate) const NONE: Self = Self([0; 16]);

    pub(crate) fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl ToSql for Tag {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

impl FromSql for Tag {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_blob()?.try_into().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

macro_rules! state {
    ($type:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        impl $type {
            /// As the journal and the command line write it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_str()? {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(FromSqlError::InvalidType),
                }
            }
        }
    };
}

state!(InboxState {
    Pending = "pending",
    Done = "done",
    Denied = "denied",
    Held = "held",
    Dead = "dead",
    Revoked = "revoked",
    Expired = "expired",
    Dropped = "dropped",
    Own = "own",
    Asked = "asked",
});

state!(DeliveryState {
    Ready = "ready",
    Armed = "armed",
    Unknown = "unknown",
    Sent = "sent",
    Dead = "dead",
    Parked = "parked",
    Revoked = "revoked",
    Dropped = "dropped",
});

/// A time as SQLite holds it. What does not fit (the year 292 million) is the latest that does.
pub(crate) fn to_sql_time(at: UnixMillis) -> i64 {
    at.0.try_into().unwrap_or(i64::MAX)
}

pub(crate) fn from_sql_time(at: i64) -> UnixMillis {
    UnixMillis(at.try_into().unwrap_or(0))
}
