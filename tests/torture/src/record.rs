//! What the host itself has on record about answers that came more than once.

use harness::Host;

/// A message that came into its chat more than once.
pub(crate) struct Doubled {
    /// The number of every copy, as Telegram counts in its chat.
    pub(crate) copies: Vec<i64>,
}

/// A delivery whose fate was unknown at least once.
struct Unknown {
    provider_id: i64,
    times: usize,
}

/// How many of these are on record, and how many are not. Each takes a record of its own, of a delivery that ended
/// with its last copy and was unknown as often as it came too often. Chats count alike, so those that ended with the
/// same number share their records: whoever needs the least takes the least that serves.
pub(crate) async fn look_up(host: &Host, mut doubled: Vec<Doubled>, accepted: usize) -> (usize, usize) {
    if doubled.is_empty() {
        return (0, 0);
    }
    let mut unknowns = unknowns(host, accepted).await;
    doubled.sort_by_key(|message| message.copies.len());
    let (mut recorded, mut unrecorded) = (0, 0);
    for message in doubled {
        let spare = message.copies.len() - 1;
        let fits = |record: &Unknown| record.times >= spare && message.copies.last() == Some(&record.provider_id);
        match unknowns.iter().position(fits) {
            Some(at) => {
                unknowns.remove(at);
                recorded += spare;
            }
            None => unrecorded += spare,
        }
    }
    (recorded, unrecorded)
}

/// Reads the record of every message. Numbers given in a commit that a death prevented are missing, so the search goes
/// on until all are found; the bound is for the case that some never are.
async fn unknowns(host: &Host, accepted: usize) -> Vec<Unknown> {
    let (mut found, mut unknowns) = (0, Vec::new());
    for number in 1..=accepted * 3 + 1000 {
        let explained = host.explained(number).await;
        let Some(deliveries) = explained["deliveries"].as_array() else { continue };
        found += 1;
        unknowns.extend(deliveries.iter().filter_map(|delivery| {
            let times = delivery["unknowns"].as_u64().filter(|times| *times > 0)? as usize;
            let provider_id = delivery["provider_id"].as_str()?.parse().ok()?;
            Some(Unknown { provider_id, times })
        }));
        if found == accepted {
            break;
        }
    }
    unknowns.sort_by_key(|record| record.times);
    unknowns
}
