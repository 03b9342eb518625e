//! `switchhook devices`, `unlink` and `reset`

use switchhook_core::id::ChannelName;
use switchhook_core::person::PersonId;
use switchhook_core::time::{Clock, SystemClock, UnixMillis};
use switchhook_runtime::link::Device;

use crate::args::Output;
use crate::client::Client;
use crate::command::{say, word};
use crate::failure::Failure;
use crate::table::{Table, ago, cell};

pub(crate) async fn devices(client: &Client, channel: Option<ChannelName>, output: Output) -> Result<String, Failure> {
    match channel {
        None => {
            let devices: Vec<Device> = client.get("devices").await?;
            say(output, &devices, |devices| list(devices, SystemClock.now()))
        }
        Some(channel) => {
            let device: Device = client.get(&format!("devices/{channel}")).await?;
            say(output, &device, |device| tell(device, SystemClock.now()))
        }
    }
}

pub(crate) async fn unlink(client: &Client, channel: &ChannelName) -> Result<String, Failure> {
    client.remove(&format!("devices/{channel}")).await?;
    Ok(format!("`{channel}` is unlinked: the phone was told, and its keys are gone from here.\n"))
}

pub(crate) async fn reset(client: &Client, channel: &ChannelName) -> Result<String, Failure> {
    client.act(&format!("devices/{channel}/reset")).await?;
    Ok(format!("The credentials of `{channel}` are wiped. Link it again: `switchhook link {channel}`\n"))
}

fn list(devices: &[Device], now: UnixMillis) -> String {
    let mut table = Table::new(["CHANNEL", "STATUS", "CONNECTION", "NUMBER", "NAME", "LAST CONNECTED"]);
    for device in devices {
        table.row([
            cell(Some(device.channel.as_str()), 16),
            word(&device.status),
            word(&device.connection.state),
            cell(device.number.as_ref().map(PersonId::as_str), 16),
            cell(device.display_name.as_deref(), 14),
            seen(device.last_connected_at, now),
        ]);
    }
    table.or("No channel of this config is linked to a phone.")
}

fn seen(at: Option<UnixMillis>, now: UnixMillis) -> String {
    at.map_or_else(|| "-".to_owned(), |at| ago(at, now))
}

fn tell(device: &Device, now: UnixMillis) -> String {
    let owner: Vec<&str> = device.owner.iter().map(PersonId::as_str).collect();
    let connection = match &device.connection.detail {
        Some(detail) => format!("{}: {detail}", word(&device.connection.state)),
        None => word(&device.connection.state),
    };
    let battery = device.battery.map(|percent| match device.charging {
        Some(true) => format!("{percent} %, charging"),
        _ => format!("{percent} %"),
    });
    let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let mut rows = vec![
        ("channel", device.channel.to_string()),
        ("status", word(&device.status)),
        ("connection", connection),
        ("number", text(device.number.as_ref().map(PersonId::as_str))),
        ("name", text(device.display_name.as_deref())),
        ("known as", if owner.is_empty() { "-".to_owned() } else { owner.join(" ") }),
        ("platform", text(device.platform.as_deref())),
        ("linked", seen(device.linked_at, now)),
        ("connected", seen(device.last_connected_at, now)),
        ("disconnected", seen(device.last_disconnected_at, now)),
        ("last in", seen(device.connection.last_inbound, now)),
        ("battery", text(battery.as_deref())),
    ];
    if let Some(error) = &device.error {
        rows.push(("error", format!("{}: {}", error.code, error.message)));
    }
    rows.iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect()
}
