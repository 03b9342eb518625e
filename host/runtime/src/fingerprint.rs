//! Names what a permission rests on: when the name changes, policy is asked again before an answer leaves.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use switchhook_config::{ChannelConfig, Config};
use switchhook_core::person::People;

/// Covers the policies of every route the channel can reach, their code and settings, the wiring between them, and
/// every group they can ask about.
pub(crate) fn of_channel(config: &Config, channel: &ChannelConfig) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    for (name, route) in config.routes_of(channel) {
        add(name.as_str());
        for policy in &route.policies {
            add(policy.as_str());
            if let Some(plugin) = config.plugins.get(policy) {
                add(plugin.description.digest.as_str());
            }
            if let Some(settings) = channel.settings.get(policy) {
                add(&settings.to_string());
            }
        }
    }
    for (name, people) in &config.groups {
        add(name.as_str());
        add(&of_people(people));
    }
    add(&channel.allow_from.as_deref().map(of_people).unwrap_or_default());
    hex::encode(&hash.finalize()[..12])
}

/// Independent of the order, which a set has none of. Not a secret and not a signature: a change is what must show.
fn of_people(people: &People) -> String {
    let (mut xor, mut sum) = (0_u64, 0_u64);
    for id in people.iter() {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        xor ^= hash;
        sum = sum.wrapping_add(hash.rotate_left(17).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
    format!("{}-{xor:016x}-{sum:016x}", people.len())
}
