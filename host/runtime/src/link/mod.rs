//! Linking: how an account becomes a device of somebody's phone, is kept one, and is let go of.

mod view;

pub use view::{Attempt, Device, DeviceKind, LinkRequest, PasskeyAnswer, ShownCode, ShownPasskey, ShownQr};
