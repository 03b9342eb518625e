//! How a connector is, and the one table that maps our states onto the vocabularies of others.

use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

/// The state of a connector. *Linked, authenticated and receiving are three facts*: see also [`Status::last_inbound`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Disabled,
    Linking,
    PasskeyRequired,
    Connecting,
    Reconnecting,
    Connected,
    Restricted,
    NeedsLink,
    Failed,
    Draining,
}

/// The account status of requirement C2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    Disconnected,
    Connecting,
    Connected,
    Failed,
}

impl State {
    /// The row of the design's table (section 6).
    pub fn account_status(self) -> AccountStatus {
        match self {
            Self::Disabled | Self::Draining => AccountStatus::Disconnected,
            Self::Linking | Self::PasskeyRequired | Self::Connecting | Self::Reconnecting => AccountStatus::Connecting,
            Self::Connected => AccountStatus::Connected,
            Self::Restricted | Self::NeedsLink | Self::Failed => AccountStatus::Failed,
        }
    }
}

/// What `status` shows of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub state: State,
    /// A stable code for scripts, such as `conflict` or `unauthorized`; none while all is well.
    pub code: Option<String>,
    /// The same for a person, with what to do.
    pub detail: Option<String>,
    pub since: UnixMillis,
    pub last_inbound: Option<UnixMillis>,
    pub last_outbound: Option<UnixMillis>,
    /// How often the connection was made in this process. A reload that does not touch the channel leaves it alone.
    pub connections: u64,
    /// Failed attempts in a row.
    pub failures: u32,
}

impl Status {
    pub fn new(state: State, since: UnixMillis) -> Self {
        Self {
            state,
            code: None,
            detail: None,
            since,
            last_inbound: None,
            last_outbound: None,
            connections: 0,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_map_onto_account_status() {
        let table = [
            (State::Disabled, AccountStatus::Disconnected),
            (State::Linking, AccountStatus::Connecting),
            (State::PasskeyRequired, AccountStatus::Connecting),
            (State::Connecting, AccountStatus::Connecting),
            (State::Reconnecting, AccountStatus::Connecting),
            (State::Connected, AccountStatus::Connected),
            (State::Restricted, AccountStatus::Failed),
            (State::NeedsLink, AccountStatus::Failed),
            (State::Failed, AccountStatus::Failed),
            (State::Draining, AccountStatus::Disconnected),
        ];
        for (state, expect) in table {
            assert_eq!(state.account_status(), expect, "{state:?}");
        }
    }
}
