use proptest::prelude::*;
use switchhook_core::id::OutboxId;
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

#[tokio::test]
async fn a_delivery_is_armed_sent_and_remembered() {
    let f = Fixture::new();
    let (message, ids) = f.answered("1", &["a", "b"], false).await;
    let waiting = f.store.deliveries(&account()).await.unwrap();
    assert_eq!(waiting.iter().map(|d| d.id).collect::<Vec<_>>(), ids);
    f.store.arm(ids[0]).await.unwrap();
    let sent = DeliveryEnd::Sent { provider_id: Some("501".to_owned()) };
    f.store.end_delivery(ids[0], sent, Some(ids[1])).await.unwrap();
    let listed = f.store.deliveries_of(message).await.unwrap();
    assert_eq!((listed[0].state, listed[0].provider_id.as_deref()), (DeliveryState::Sent, Some("501")));
    assert_eq!((listed[1].state, listed[1].attempts), (DeliveryState::Armed, 1));
    assert_eq!(listed[0].message, message);
    assert_eq!(listed[0].chat, "900");
    assert!(f.store.deliveries(&account()).await.unwrap().is_empty());
}

/// What a provider knows a delivery by is kept over a restart, and no other store has it.
#[tokio::test]
async fn deliveries_are_known_by_keys_of_this_store() {
    let (f, g) = (Fixture::new(), Fixture::new());
    let key = |f: &Fixture, id| f.store.delivery_key(OutboxId(id));
    assert_ne!(key(&f, 1), key(&f, 2));
    assert_ne!(key(&f, 1), key(&g, 1), "a folder begun anew starts with the same numbers");
    let before = key(&f, 1);
    assert_eq!(key(&f.reopen().0, 1), before);
}

#[tokio::test]
async fn the_end_is_kept_even_where_the_next_one_may_not_leave() {
    let f = Fixture::new();
    let (_, ids) = f.answered("1", &["a", "b"], false).await;
    f.store.arm(ids[0]).await.unwrap();
    f.store.drop_delivery(ids[1]).await.unwrap();
    let end = f.store.end_delivery(ids[0], DeliveryEnd::Sent { provider_id: None }, Some(ids[1])).await;
    assert!(matches!(end, Err(StoreError::NextNotArmed { state: "dropped", .. })), "{end:?}");
    assert_eq!(f.store.delivery(ids[0]).await.unwrap().unwrap().state, DeliveryState::Sent);
    let dropped = f.store.delivery(ids[1]).await.unwrap().unwrap();
    assert_eq!((dropped.state, dropped.action), (DeliveryState::Dropped, None));
}

#[tokio::test]
async fn an_end_that_is_queued_is_seen_by_the_next_read() {
    let f = Fixture::new();
    let (_, ids) = f.answered("1", &["a"], true).await;
    let end = DeliveryEnd::Retry { at: UnixMillis(START + 5), reason: "busy".to_owned() };
    f.store.end_delivery_later(ids[0], end).await;
    let found = f.store.delivery(ids[0]).await.unwrap().unwrap();
    assert_eq!((found.state, found.reason.as_deref()), (DeliveryState::Ready, Some("busy")));
    assert_eq!((found.not_before, found.attempts, found.unknowns), (UnixMillis(START + 5), 1, 0));
}

#[tokio::test]
async fn the_newest_of_several_states_are_listed_oldest_first() {
    let f = Fixture::new();
    let (_, ids) = f.answered("1", &["a", "b", "c", "d"], false).await;
    f.store.end_delivery(ids[1], DeliveryEnd::Dead { reason: "x".to_owned() }, None).await.unwrap();
    f.store.end_delivery(ids[3], DeliveryEnd::Dead { reason: "x".to_owned() }, None).await.unwrap();
    let listed = f.store.list_deliveries(&[DeliveryState::Dead, DeliveryState::Ready], 3).await.unwrap();
    assert_eq!(listed.iter().map(|d| d.id).collect::<Vec<_>>(), ids[1..]);
}

#[tokio::test]
async fn what_was_leaving_when_the_process_died_is_unknown_and_counted() {
    let f = Fixture::new();
    let (_, armed) = f.answered("1", &["leaving at once"], true).await;
    let (_, ready) = f.answered("2", &["waiting"], false).await;
    let (f, recovered) = f.crash();
    assert_eq!(recovered, Recovered { unknown: 1, waiting: 0 });
    let unknown = f.store.delivery(armed[0]).await.unwrap().unwrap();
    assert_eq!((unknown.state, unknown.attempts, unknown.unknowns), (DeliveryState::Unknown, 1, 1));
    let waiting = f.store.delivery(ready[0]).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempts, waiting.unknowns), (DeliveryState::Ready, 0, 0));
    f.store.arm(armed[0]).await.unwrap();
    let (f, recovered) = f.crash();
    assert_eq!(recovered.unknown, 1);
    let unknown = f.store.delivery(armed[0]).await.unwrap().unwrap();
    assert_eq!((unknown.attempts, unknown.unknowns), (2, 2));
}

#[derive(Debug, Clone)]
enum Step {
    Arm,
    End(DeliveryEnd),
    Release,
    Drop,
    Park,
    Crash,
}

/// What the journal ought to hold, worked out without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Model {
    state: DeliveryState,
    attempts: u32,
    unknowns: u32,
}

impl Model {
    fn waits(&self) -> bool {
        matches!(self.state, DeliveryState::Ready | DeliveryState::Unknown)
    }
    /// Takes a step, or says that it is not to be had.
    fn step(&mut self, step: &Step) -> bool {
        use DeliveryState::*;
        let before = *self;
        match (step, self.state) {
            (Step::Arm, Ready | Unknown) => {
                (self.state, self.attempts) = (Armed, self.attempts + 1);
            }
            (Step::End(DeliveryEnd::Sent { .. }), Armed) => self.state = Sent,
            (Step::End(DeliveryEnd::Retry { .. }), Armed) => self.state = Ready,
            (Step::End(DeliveryEnd::Waits { .. }), Armed) => {
                (self.state, self.attempts) = (Ready, self.attempts - 1);
            }
            (Step::End(DeliveryEnd::Waits { .. }), Ready | Unknown) => {}
            (Step::End(DeliveryEnd::Unknown { .. }), Armed) | (Step::Crash, Armed) => {
                (self.state, self.unknowns) = (Unknown, self.unknowns + 1);
            }
            (Step::End(DeliveryEnd::Dead { .. }), Armed | Ready | Unknown) => self.state = Dead,
            (Step::End(DeliveryEnd::Parked { .. }), Armed | Ready | Unknown) => self.state = Parked,
            (Step::End(DeliveryEnd::Revoked { .. }), Armed | Ready | Unknown) => self.state = Revoked,
            (Step::Release, Dead | Parked | Revoked) => (self.state, self.attempts) = (Ready, 0),
            (Step::Drop, Ready | Unknown | Dead | Parked | Revoked) => self.state = Dropped,
            (Step::Park, Ready | Unknown) => self.state = Parked,
            (Step::Park | Step::Crash, _) => return true,
            _ => return false,
        }
        assert!(before.state != Sent && before.state != Dropped, "what is over stays over");
        true
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (at, reason) = (UnixMillis(START), "why".to_owned());
    let end = prop_oneof![
        3 => Just(DeliveryEnd::Sent { provider_id: None }),
        3 => Just(DeliveryEnd::Retry { at, reason: reason.clone() }),
        3 => Just(DeliveryEnd::Unknown { at, reason: reason.clone() }),
        2 => Just(DeliveryEnd::Waits { reason: reason.clone() }),
        1 => Just(DeliveryEnd::Dead { reason: reason.clone() }),
        1 => Just(DeliveryEnd::Parked { reason: reason.clone() }),
        1 => Just(DeliveryEnd::Revoked { reason }),
    ];
    prop_oneof![
        6 => Just(Step::Arm),
        6 => end.prop_map(Step::End),
        2 => Just(Step::Release),
        1 => Just(Step::Drop),
        1 => Just(Step::Park),
        1 => Just(Step::Crash),
    ]
}

async fn take(f: Fixture, id: OutboxId, step: &Step) -> (Fixture, Result<(), StoreError>) {
    let result = match step {
        Step::Arm => f.store.arm(id).await,
        Step::End(end) => f.store.end_delivery(id, end.clone(), None).await,
        Step::Release => f.store.release_delivery(id).await,
        Step::Drop => f.store.drop_delivery(id).await,
        Step::Park => f.store.park_account(&account(), "gone").await.map(drop),
        Step::Crash => return (f.crash().0, Ok(())),
    };
    (f, result)
}

async fn run(steps: Vec<(usize, Step)>) {
    let mut f = Fixture::new();
    let (_, ids) = f.answered("1", &["a", "b", "c"], false).await;
    let ready = Model { state: DeliveryState::Ready, attempts: 0, unknowns: 0 };
    let mut models = [ready; 3];
    for (n, step) in steps {
        let (next, result) = take(f, ids[n], &step).await;
        f = next;
        let legal = match step {
            Step::Park | Step::Crash => models.iter_mut().all(|model| model.step(&step)),
            _ => models[n].step(&step),
        };
        assert_eq!(result.is_ok(), legal, "{step:?}: {result:?}");
        assert!(legal || matches!(result, Err(StoreError::WrongState { .. })), "{result:?}");
        for (id, model) in ids.iter().zip(models) {
            let found = f.store.delivery(*id).await.unwrap().unwrap();
            let found = Model { state: found.state, attempts: found.attempts, unknowns: found.unknowns };
            assert_eq!(found, model, "{id} after {step:?}");
        }
        let waiting = f.store.deliveries(&account()).await.unwrap().into_iter().map(|d| d.id).collect::<Vec<_>>();
        let expect: Vec<_> = ids.iter().zip(models).filter(|(_, m)| m.waits()).map(|(id, _)| *id).collect();
        assert_eq!(waiting, expect);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deliveries_keep_to_their_states(steps in prop::collection::vec((0..3usize, step()), 1..24)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(steps));
    }
}
