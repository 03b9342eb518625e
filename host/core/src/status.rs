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

/// The device status of requirement B4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceStatus {
    /// Not linked, and nobody is linking it.
    Pending,
    Linking,
    Active,
    Disconnected,
    /// The link ended by itself.
    Expired,
    /// The link was ended, on the phone or here.
    Revoked,
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

impl State {
    /// The same row's other column, for a device that is linked. Of one that is not, its record says which it is.
    pub fn device_status(self) -> DeviceStatus {
        match self {
            Self::Disabled | Self::Failed => DeviceStatus::Disconnected,
            Self::Linking | Self::PasskeyRequired => DeviceStatus::Linking,
            Self::Connecting | Self::Reconnecting | Self::Connected | Self::Restricted | Self::Draining => {
                DeviceStatus::Active
            }
            Self::NeedsLink => DeviceStatus::Revoked,
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
    /// When the connection was last made, and when it was last lost (C2); those of earlier processes included where the
    /// host keeps them.
    #[serde(default)]
    pub last_connected: Option<UnixMillis>,
    #[serde(default)]
    pub last_disconnected: Option<UnixMillis>,
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
            last_connected: None,
            last_disconnected: None,
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

    /// B4
    #[test]
    fn states_map_onto_device_status() {
        let table = [
            (State::Disabled, DeviceStatus::Disconnected),
            (State::Linking, DeviceStatus::Linking),
            (State::PasskeyRequired, DeviceStatus::Linking),
            (State::Connecting, DeviceStatus::Active),
            (State::Reconnecting, DeviceStatus::Active),
            (State::Connected, DeviceStatus::Active),
            (State::Restricted, DeviceStatus::Active),
            (State::NeedsLink, DeviceStatus::Revoked),
            (State::Failed, DeviceStatus::Disconnected),
            (State::Draining, DeviceStatus::Active),
        ];
        for (state, expect) in table {
            assert_eq!(state.device_status(), expect, "{state:?}");
        }
    }
}
