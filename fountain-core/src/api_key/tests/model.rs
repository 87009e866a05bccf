use proptest::prelude::*;

use super::*;

/// What a key's state comes to, said as plainly as it can be.
#[derive(Debug, Clone)]
struct ModelKey {
    text: String,
    id: KeyId,
    issued: Timestamp,
    begins: Timestamp,
    ends: Timestamp,
    is_revoked: bool,
    is_disabled: bool,
    superseded: Option<Timestamp>,
}

impl ModelKey {
    fn of(record: &ApiKeyRecord, key: &crate::Secret) -> Self {
        Self {
            text: key.expose().to_owned(),
            id: record.id.clone(),
            issued: record.created_at,
            begins: record.not_before,
            ends: record.expires_at,
            is_revoked: false,
            is_disabled: false,
            superseded: None,
        }
    }

    fn verdict(&self, now: Timestamp) -> Option<crate::Reason> {
        use crate::Reason::{KeyDisabled, KeyExpired, KeyNotYetValid, KeyRevoked, KeySuperseded};
        [
            (self.is_revoked, KeyRevoked),
            (self.is_disabled, KeyDisabled),
            (now < self.begins, KeyNotYetValid),
            (now >= self.ends, KeyExpired),
            (self.superseded.is_some_and(|at| now >= at), KeySuperseded),
        ]
        .into_iter()
        .find_map(|(holds, reason)| holds.then_some(reason))
    }
}

#[derive(Debug, Clone)]
enum Op {
    Issue { begins: u64, life: u64 },
    Rotate { key: usize, overlap: u64 },
    Revoke { key: usize },
    Disable { key: usize },
    Enable { key: usize },
    Wait { seconds: u64 },
    JumpBack { seconds: u64 },
    Follow,
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..8_usize;
    prop_oneof![
        (0..60_u64, 60..300_u64).prop_map(|(begins, life)| Op::Issue { begins, life }),
        (key.clone(), 0..120_u64).prop_map(|(key, overlap)| Op::Rotate { key, overlap }),
        key.clone().prop_map(|key| Op::Revoke { key }),
        key.clone().prop_map(|key| Op::Disable { key }),
        key.prop_map(|key| Op::Enable { key }),
        (0..90_u64).prop_map(|seconds| Op::Wait { seconds }),
        (0..30_u64).prop_map(|seconds| Op::JumpBack { seconds }),
        Just(Op::Follow),
    ]
}

async fn apply(bench: &Bench, keys: &mut Vec<ModelKey>, op: Op) {
    let (now, system) = (bench.clock.now(), Authority::System);
    let seconds = Duration::from_secs;
    match op {
        Op::Issue { begins, life } => {
            let new = new_key()
                .not_before(now + seconds(begins))
                .expires_in(seconds(life));
            // A key that would end before it begins is refused, and is no key.
            if let Ok(issued) = bench.keys.issue(system, &tenant(), new).await {
                keys.push(ModelKey::of(&issued.record, &issued.key));
            }
        }
        Op::Rotate { key, overlap } => {
            let Some(current) = keys.get_mut(key) else {
                return;
            };
            let asked = Rotation::new().overlap(seconds(overlap));
            let rotated = bench.rotate(&current.id, asked).await;
            let may = !current.is_revoked
                && !current.is_disabled
                && current.superseded.is_none()
                && now < current.ends;
            assert_eq!(rotated.is_ok(), may, "{current:?}");
            if let Ok(rotated) = rotated {
                let superseded = current.ends.min(now + seconds(overlap));
                assert_eq!(rotated.previous_valid_until, superseded);
                let successor = ModelKey::of(&rotated.record, &rotated.key);
                assert_eq!(successor.begins, current.begins.max(now));
                assert_eq!(successor.ends, now + current.ends.since(current.issued));
                current.superseded = Some(superseded);
                keys.push(successor);
            }
        }
        Op::Revoke { key } => {
            let Some(key) = keys.get_mut(key) else { return };
            bench.keys.revoke(system, &tenant(), &key.id).await.unwrap();
            key.is_revoked = true;
        }
        Op::Disable { key } => {
            let Some(key) = keys.get_mut(key) else { return };
            bench
                .keys
                .disable(system, &tenant(), &key.id)
                .await
                .unwrap();
            key.is_disabled = true;
        }
        Op::Enable { key } => {
            let Some(key) = keys.get_mut(key) else { return };
            let enabled = bench.keys.enable(system, &tenant(), &key.id).await;
            assert_eq!(enabled.is_ok(), !key.is_revoked);
            key.is_disabled &= key.is_revoked;
        }
        Op::Wait { seconds: s } => bench.clock.advance(seconds(s)),
        Op::JumpBack { seconds: s } => bench.clock.jump_to(now - seconds(s)),
        Op::Follow => bench.follow(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 1_024 }))]

    /// whatever happens in whatever order, and whether or not the node believes its memory, a key is
    /// judged as its state says.
    #[test]
    fn a_key_is_always_judged_as_its_state_says(ops in prop::collection::vec(op(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = bench();
            bench.follow();
            let mut keys = Vec::new();
            for op in ops {
                apply(&bench, &mut keys, op).await;
                for key in &keys {
                    let expected = key.verdict(bench.clock.now());
                    let recalled = bench.keys.recall(&key.text);
                    assert!(recalled.is_none() || expected.is_none(), "remembered: {key:?}");
                    let verdict = bench.keys.verify(&key.text).await.unwrap();
                    assert_eq!(verdict.reason(), expected, "{key:?}");
                }
            }
        });
    }
}
