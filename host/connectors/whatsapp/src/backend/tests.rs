//! The sealed backend against the library's own in-memory one: the same calls, the same answers.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use switchhook_core::id::AccountId;
use switchhook_core::time::SystemClock;
use switchhook_store::{Durability, Keyring, MasterKey, Store, StoreOptions};
use whatsapp_rust::traits::*;
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::{Device, InMemoryBackend};
use whatsapp_rust::wacore::time::now_secs;

use super::SealedBackend;

/// One call: which, and what with. Few different names and times, so that calls meet.
#[derive(Debug, Clone, Copy)]
struct Call {
    which: u8,
    a: u8,
    b: u8,
    value: u8,
    at: i64,
}

/// As many as [`signal`], [`app_sync`], [`protocol`] and [`secrets`] have.
const CALLS: u8 = 67;

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..CALLS, 0u8..3, 0u8..3, any::<u8>(), 0i64..6);
    let call = call.prop_map(|(which, a, b, value, at)| Call { which, a, b, value, at });
    proptest::collection::vec(call, 1..60)
}

fn said(value: impl Debug) -> String {
    format!("{value:?}")
}

fn sorted<T: Ord + Debug>(mut list: Vec<T>) -> String {
    list.sort();
    said(list)
}

fn address(n: u8) -> String {
    ["15551@s.whatsapp.net", "15551:2@s.whatsapp.net", "155@lid"][usize::from(n)].to_owned()
}

fn user(n: u8) -> &'static str {
    ["15551", "155", "1555"][usize::from(n)]
}

async fn signal<B: Backend>(b: &B, call: Call) -> Option<String> {
    let (one, two, value) = (address(call.a), address(call.b), [call.value; 3]);
    let (shared, other): (Arc<str>, Arc<str>) = (one.as_str().into(), two.as_str().into());
    let (id, id2) = (u32::from(call.a), u32::from(call.b) + 10);
    let record = Bytes::copy_from_slice(&value);
    let pair = [(shared.clone(), record.clone()), (other.clone(), Bytes::from_static(b"2"))];
    Some(match call.which {
        0 => said(b.put_identity(&one, [call.value; 32]).await.is_ok()),
        1 => said(b.put_identities_batch(&[(shared, [call.value; 32]), (other, [1; 32])]).await.is_ok()),
        2 => said(b.load_identity(&one).await.unwrap()),
        3 => said(b.delete_identity(&one).await.is_ok()),
        4 => said(b.get_session(&one).await.unwrap()),
        5 => said(b.put_session(&one, &value).await.is_ok()),
        6 => said(b.put_sessions_batch(&pair).await.is_ok()),
        7 => said(b.delete_session(&one).await.is_ok()),
        8 => said(b.has_session(&one).await.unwrap()),
        9 => said(b.has_signal_state_for_user(user(call.a)).await.unwrap()),
        10 => said(b.store_prekey(id, &value, call.at > 2).await.is_ok()),
        11 => said(b.store_prekeys_batch(&[(id, record.clone()), (id2, record)], call.at > 2).await.is_ok()),
        12 => said(b.load_prekey(id).await.unwrap()),
        13 => said(b.load_prekeys_batch(&[id2, id, 99]).await.unwrap()),
        14 => said(b.mark_prekeys_uploaded(&[id, id2]).await.is_ok()),
        15 => said(b.remove_prekey(id).await.is_ok()),
        16 => said(b.get_max_prekey_id().await.unwrap()),
        17 => said(b.store_signed_prekey(id, &value).await.is_ok()),
        18 => said(b.load_signed_prekey(id).await.unwrap()),
        19 => sorted(b.load_all_signed_prekeys().await.unwrap()),
        20 => said(b.remove_signed_prekey(id).await.is_ok()),
        21 => said(b.put_sender_key(&one, &value).await.is_ok()),
        22 => said(b.put_sender_keys_batch(&pair).await.is_ok()),
        23 => said(b.get_sender_key(&one).await.unwrap()),
        24 => said(b.delete_sender_key(&one).await.is_ok()),
        _ => return None,
    })
}

async fn app_sync<B: Backend>(b: &B, call: Call) -> Option<String> {
    let name = ["regular", "critical_block", "regular_low"][usize::from(call.a)];
    let (index, other) = ([call.b; 32], [call.b + 1; 32]);
    let mac = |index: [u8; 32]| AppStateMutationMAC { index_mac: index.to_vec(), value_mac: vec![call.value] };
    Some(match call.which {
        25 => said(b.get_sync_key(&[call.a]).await.unwrap()),
        26 => {
            let key = AppStateSyncKey { key_data: vec![call.value], fingerprint: vec![1], timestamp: call.at };
            said(b.set_sync_key(&[call.a], key).await.is_ok())
        }
        27 => {
            let state = b.get_version(name).await.unwrap();
            said((state.version, state.hash, state.index_value_map))
        }
        28 => {
            let mut state = HashState { version: call.at as u64, ..HashState::default() };
            state.hash[127] = call.value;
            state.index_value_map.insert("k".to_owned(), vec![call.value]);
            said(b.set_version(name, state).await.is_ok())
        }
        29 => said(b.put_mutation_macs(name, 1, &[mac(index), mac(other)]).await.is_ok()),
        30 => said(b.get_mutation_mac(name, &index).await.unwrap()),
        31 => sorted(b.get_mutation_macs(name, &[index, other, [9; 32]]).await.unwrap().into_iter().collect()),
        32 => said(b.delete_mutation_macs(name, &[index.to_vec()]).await.is_ok()),
        33 => said(b.clear_mutation_macs(name).await.is_ok()),
        34 => said(b.get_latest_sync_key_id().await.unwrap()),
        _ => return None,
    })
}

fn mapping(call: Call) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: format!("10{}", call.a),
        phone_number: format!("1555{}", call.b),
        created_at: call.at,
        updated_at: i64::from(call.value),
        learning_source: "usync".to_owned(),
    }
}

fn device_list(call: Call) -> DeviceListRecord {
    let devices = vec![DeviceInfo::new(u32::from(call.value), Some(1)).with_hosting(call.at > 2)];
    let (user, phash) = (user(call.a).to_owned(), Some("p".to_owned()));
    DeviceListRecord { user, devices, timestamp: call.at, phash, raw_id: Some(7) }
}

async fn learned<B: Backend>(b: &B, call: Call) -> Option<String> {
    let (group, device) = (format!("{}@g.us", call.a), address(call.b));
    Some(match call.which {
        35 => sorted(b.get_sender_key_devices(&group).await.unwrap()),
        36 => said(b.set_sender_key_status(&group, &[(&device, call.at > 2), ("x", true)]).await.is_ok()),
        37 => said(b.clear_sender_key_devices(&group).await.is_ok()),
        38 => said(b.delete_sender_key_device_rows(&[&device]).await.is_ok()),
        39 => said(b.clear_all_sender_key_devices().await.is_ok()),
        40 => said(b.get_lid_mapping(&mapping(call).lid).await.unwrap()),
        41 => said(b.get_pn_mapping(&mapping(call).phone_number).await.unwrap()),
        42 => said(b.put_lid_mapping(&mapping(call)).await.is_ok()),
        43 => {
            let second = mapping(Call { b: (call.b + 1) % 3, ..call });
            said(b.put_lid_mappings(&[mapping(call), second]).await.is_ok())
        }
        44 => sorted(b.get_all_lid_mappings().await.unwrap().iter().map(said).collect()),
        45 => said(b.save_base_key(&device, &group, &[call.value]).await.is_ok()),
        46 => said(b.has_same_base_key(&device, &group, &[call.value]).await.unwrap()),
        47 => said(b.delete_base_key(&device, &group).await.is_ok()),
        48 => said(b.update_device_list(device_list(call)).await.is_ok()),
        49 => said(b.update_device_lists(vec![device_list(call), device_list(Call { a: 0, ..call })]).await.is_ok()),
        50 => said(b.get_devices(user(call.a)).await.unwrap()),
        51 => said(b.delete_devices(user(call.a)).await.is_ok()),
        52 => said((b.put_group_metadata(&group, &[call.value]).await.is_ok(), call.b)),
        53 => said(b.get_group_metadata(&group).await.unwrap()),
        54 => said(b.delete_group_metadata(&group).await.is_ok()),
        _ => return None,
    })
}

async fn tokens_and_messages<B: Backend>(b: &B, call: Call) -> Option<String> {
    let (jid, id) = (address(call.a), format!("3EB0{}", call.b));
    let cutoff = now_secs() + if call.at > 2 { 1000 } else { -1000 };
    let sender_timestamp = (call.value > 99).then_some(call.at);
    let token =
        TcTokenEntry { token: vec![1; usize::from(call.value % 2)], token_timestamp: call.at, sender_timestamp };
    let row = PendingInboundRow { chat: &jid, sender: "s@lid", id: &id, message: &[call.value] };
    let key = PendingInboundKey { chat: &jid, sender: "s@lid", id: &id };
    Some(match call.which {
        55 => match call.b {
            0 => said(b.put_tc_token(&jid, &token).await.is_ok()),
            1 => said(b.delete_tc_token(&jid).await.is_ok()),
            _ => said(b.delete_expired_tc_tokens(call.at, 3).await.unwrap()),
        },
        56 => said(b.get_tc_token(&jid).await.unwrap()),
        57 => sorted(b.get_all_tc_token_jids().await.unwrap()),
        58 => said(b.touch_tc_token_sender_timestamp(&jid, call.at).await.is_ok()),
        59 => said(b.store_received_tc_token(&jid, &[call.value], call.at).await.is_ok()),
        60 => said(b.store_sent_message(&jid, &id, &[call.value]).await.is_ok()),
        61 => said(b.take_sent_message(&jid, &id).await.unwrap()),
        62 => said((
            b.delete_expired_sent_messages(cutoff).await.unwrap(),
            b.delete_expired_pending_inbound(cutoff).await.unwrap(),
        )),
        63 => match call.at {
            0..3 => said(b.store_pending_inbound(&jid, "s@lid", &id, &[call.value]).await.is_ok()),
            _ => said(b.store_pending_inbound_batch(&[row, row]).await.is_ok()),
        },
        64 => said(b.get_pending_inbound(&jid, "s@lid", &id).await.unwrap()),
        65 => match call.at {
            0..3 => said(b.delete_pending_inbound(&jid, "s@lid", &id).await.is_ok()),
            _ => said(b.delete_pending_inbound_batch(&[key]).await.is_ok()),
        },
        66 => secrets(b, call, &jid, &id).await,
        _ => return None,
    })
}

async fn secrets<B: Backend>(b: &B, call: Call, chat: &str, id: &str) -> String {
    let secret = [call.value; 32];
    let entry = |at| {
        let (chat, sender, msg_id) = (chat.into(), "s@lid".into(), id.into());
        MsgSecretEntry { chat, sender, msg_id, secret, expires_at: at, message_ts: call.at }
    };
    match call.value % 5 {
        0 => said(b.put_msg_secret(chat, "s@lid", id, &secret).await.is_ok()),
        1 => said(b.put_msg_secrets(vec![entry(call.at), entry(2)]).await.unwrap()),
        2 => said(b.delete_expired_msg_secrets(call.at).await.unwrap()),
        3 => said(b.get_msg_secret(chat, "s@lid", id).await.unwrap()),
        _ => said(b.get_msg_secret_with_ts(chat, "s@lid", id).await.unwrap()),
    }
}

async fn make<B: Backend>(b: &B, call: Call) -> String {
    if let Some(said) = signal(b, call).await {
        return said;
    }
    if let Some(said) = app_sync(b, call).await {
        return said;
    }
    if let Some(said) = learned(b, call).await {
        return said;
    }
    tokens_and_messages(b, call).await.expect("every number is a call")
}

/// Everything that can be asked for, so that a difference that no call happened to show does.
async fn everything<B: Backend>(b: &B) -> Vec<String> {
    const READS: [u8; 20] = [2, 4, 8, 9, 12, 16, 18, 23, 25, 27, 30, 34, 35, 40, 41, 50, 53, 56, 57, 64];
    let mut all = Vec::new();
    for which in READS {
        for (a, b_) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
            all.push(make(b, Call { which, a, b: b_, value: 0, at: 0 }).await);
        }
    }
    for value in [3, 4] {
        all.push(make(b, Call { which: 66, a: 0, b: 0, value, at: 0 }).await);
    }
    all
}

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            dir: dir.path().to_owned(),
            keys: Keyring { current: MasterKey::from_bytes([1; 32]), old: Vec::new() },
            durability: Durability::Process,
            network_fs: Some(false),
            clock: Arc::new(SystemClock),
        };
        let (store, _) = Store::open(options).unwrap();
        Self { _dir: dir, store }
    }
    fn backend(&self, account: &str) -> SealedBackend {
        SealedBackend::new(self.store.account_state(&AccountId::new("whatsapp", account)))
    }
}

/// B8: whatever is called in whatever order, the answers are those of the reference.
#[test]
fn the_sealed_backend_answers_as_the_reference_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = Bench::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(96));
    let count = std::cell::Cell::new(0);
    let result = runner.run(&calls(), |calls| {
        count.set(count.get() + 1);
        let (ours, reference) = (bench.backend(&count.get().to_string()), InMemoryBackend::new());
        runtime.block_on(async {
            for call in calls {
                prop_assert_eq!(make(&ours, call).await, make(&reference, call).await, "{:?}", call);
            }
            prop_assert_eq!(everything(&ours).await, everything(&reference).await);
            Ok(())
        })
    });
    result.unwrap();
}

#[tokio::test]
async fn a_device_comes_back_with_its_keys() {
    let bench = Bench::new();
    let backend = bench.backend("a");
    assert!(!backend.exists().await.unwrap() && backend.load().await.unwrap().is_none());
    backend.create().await.unwrap();
    let mut device = Device::new();
    device.pn = Some("15551234567:3@s.whatsapp.net".parse().unwrap());
    backend.save(&device).await.unwrap();
    // Making it again leaves it alone.
    backend.create().await.unwrap();
    let back = bench.backend("a").load().await.unwrap().unwrap();
    assert_eq!(back.pn, device.pn);
    assert_eq!(back.adv_secret_key, device.adv_secret_key);
    assert_eq!(back.noise_key.private_key.serialize(), device.noise_key.private_key.serialize());
    assert!(bench.backend("b").load().await.unwrap().is_none());
}
