//! A recorded audit event, as a store gives it back.
//!
//! What is accepted can be written, reads as the same event, and every text in it is of the form that its type
//! promises.

use fountain_core::audit::{AuditAction, AuditEvent, EventId, Outcome};
use fountain_core::danger::InsecureSeededRandom;
use fountain_core::identity::{KeyId, Subject};
use fountain_core::{Actor, Reason, Tenant, Timestamp};

use crate::{Seed, Verdict, hold};

pub fn check(data: &[u8]) -> Verdict {
    let Ok(event) = serde_json::from_slice::<AuditEvent>(data) else {
        return Verdict::Refused;
    };
    let written = serde_json::to_vec(&event).expect("what was read can be written");
    let again: AuditEvent = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, event);
    assert_eq!(serde_json::to_vec(&again).expect("and be written"), written);
    EventId::new(event.id.as_str()).expect("an event id");
    Tenant::new(event.tenant.as_str()).expect("a tenant");
    match &event.actor {
        Actor::Subject(subject) => drop(Subject::new(subject.as_str()).expect("a subject")),
        Actor::ApiKey(id) => drop(KeyId::new(id.as_str()).expect("a key id")),
        _ => {}
    }
    assert!(AuditAction::ALL.contains(&event.action));
    assert!(
        event
            .reason
            .is_none_or(|reason| Reason::ALL.contains(&reason))
    );
    assert!(matches!(event.outcome, Outcome::Success | Outcome::Refused));
    // No instant makes a date that cannot be shown.
    assert!(!event.at.to_string().is_empty());
    Verdict::Accepted
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let random = InsecureSeededRandom::new(5);
    let event = |actor, action| {
        let at = Timestamp::from_unix_seconds(1_800_000_000);
        AuditEvent::new(&random, at, Tenant::default(), actor, action).expect("seeded")
    };
    let json = |event: &AuditEvent| serde_json::to_vec(event).expect("JSON");
    let revoked = event(Actor::System, AuditAction::ApiKeyRevoked)
        .target("api_key", "7Kq3nX0aVb2LmZ9T")
        .detail("why", "found in a public repository");
    let subject = Subject::new("Ünïcode").expect("a subject");
    let key = KeyId::new("7Kq3nX0aVb2LmZ9T").expect("a key id");
    let text = String::from_utf8(json(&revoked)).expect("UTF-8");
    vec![
        ("accepted-revoked", json(&revoked)),
        (
            "accepted-refused-request",
            json(
                &event(Actor::Anonymous, AuditAction::Authenticated).refused(Reason::TokenExpired),
            ),
        ),
        (
            "accepted-subject",
            json(&event(Actor::Subject(subject), AuditAction::TokenRefreshed)),
        ),
        (
            "accepted-key",
            json(&event(Actor::ApiKey(key), AuditAction::Authorized)),
        ),
        (
            "refused-action",
            text.replace("api_key.revoked", "api_key.eaten").into(),
        ),
        ("refused-tenant", text.replace("default", "../x").into()),
        ("refused-cut", text[..text.len() / 2].into()),
        ("refused-no-event", b"{}".to_vec()),
    ]
}
