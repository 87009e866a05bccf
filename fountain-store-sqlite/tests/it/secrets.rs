//! What whoever steals the file does not learn from it.

use std::sync::Arc;

use fountain_conformance::NOW;
use fountain_core::access::{Role, RoleCatalog};
use fountain_core::audit::AuditAction;
use fountain_core::identity::ClientId;
use fountain_core::login::{CredentialStore, ReplaceOutcome};
use fountain_core::otp::{ChallengeOutcome, ChallengeStore, FactorStore};
use fountain_core::seal::{KekId, LocalKeys};
use fountain_core::token::{NewTokens, RefreshRequest};
use fountain_core::{Actor, Fountain, OsRandom, Random, Subject};

use crate::workbench::Workbench;

/// All that is in the store's folder: the file, and the log beside it while there is one.
fn files(bench: &Workbench) -> Vec<u8> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(bench.path().parent().unwrap()).unwrap() {
        files.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    files
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// a refresh token is stored as its hash, and its successor sealed for the one who has its parent.
#[tokio::test]
async fn the_file_holds_the_hashes_of_refresh_tokens_and_not_the_tokens() {
    let bench = Workbench::new();
    let mut kek = [0; 32];
    OsRandom.fill(&mut kek).unwrap();
    let keys = LocalKeys::new(KekId::new("test").unwrap(), &kek, Arc::new(OsRandom)).unwrap();
    let roles = RoleCatalog::builder()
        .permissions(["orders:read"])
        .role(Role::new("clerk").grant("orders:read"));
    let fountain = Fountain::builder(Arc::new(bench.open().await))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles.build().unwrap())
        .key_encryption(Arc::new(keys))
        .build()
        .await
        .unwrap();

    let client = || ClientId::new("web").unwrap();
    let alice = NewTokens::new(Subject::new("alice-canary").unwrap(), client()).role("clerk");
    let first = fountain
        .tokens()
        .issue(&Actor::System, alice)
        .await
        .unwrap();
    let request = || RefreshRequest::new(first.refresh_token.clone(), client());
    let second = fountain.tokens().refresh(request()).await.unwrap();
    // The identical successor again: it was kept in a form that its parent opens.
    let again = fountain.tokens().refresh(request()).await.unwrap();
    assert_eq!(again.refresh_token.expose(), second.refresh_token.expose());

    let files = files(&bench);
    // The control: what is stored as it is, is found.
    assert!(contains(&files, b"alice-canary"));
    for token in [&first.refresh_token, &second.refresh_token] {
        let text = token.expose();
        let digest = fountain_core::Digest::of(text.as_bytes());
        assert!(contains(&files, digest.as_bytes()));
        // The prefix is the same in all of them; no half of the rest is there either.
        let secret = &text.as_bytes()[5..48];
        assert!(!contains(&files, &secret[..16]));
        assert!(!contains(&files, &secret[27..]));
    }
}

/// B-62, B-65: who steals the file later cannot guess at what was replaced, taken or removed before.
#[tokio::test]
async fn what_is_good_no_more_is_gone_from_the_closed_file() {
    let bench = Workbench::new();
    let (fixtures, tenant) = (&bench.fixtures, &bench.tenant);
    let event = |action| fixtures.event(tenant, action);
    let store = bench.open().await;

    let credential = fixtures.credential(tenant);
    let (subject, new_hash) = (credential.subject.clone(), fixtures.password_hash());
    let registered = event(AuditAction::CredentialRegistered);
    CredentialStore::insert(&store, credential.clone(), registered)
        .await
        .unwrap();
    let changed = event(AuditAction::PasswordChanged);
    let replaced = store
        .replace(tenant, &subject, 1, new_hash.clone(), NOW, changed)
        .await;
    assert_eq!(replaced.unwrap(), ReplaceOutcome::Replaced);

    let factors = [fixtures.factor(tenant), fixtures.factor(tenant)];
    for factor in &factors {
        let enrolled = event(AuditAction::FactorEnrolled);
        FactorStore::insert(&store, factor.clone(), enrolled)
            .await
            .unwrap();
    }
    let [removed, kept] = &factors;
    let gone = event(AuditAction::FactorRemoved);
    let gone = FactorStore::remove(&store, tenant, &removed.subject, &removed.id, gone).await;
    assert!(gone.unwrap());

    let codes = [(); 3].map(|()| fixtures.digest());
    let [replaced_code, taken_code, left_code] = &codes;
    for codes in [&codes[..1], &codes[1..]] {
        let replaced = event(AuditAction::RecoveryCodesReplaced);
        store
            .replace_recovery_codes(tenant, &subject, codes, replaced)
            .await
            .unwrap();
    }
    let used = event(AuditAction::RecoveryCodeUsed);
    let taken = store
        .take_recovery_code(tenant, &subject, taken_code, used)
        .await;
    assert_eq!(taken.unwrap(), Some(1));

    let challenge = fixtures.challenge(tenant);
    let issued = event(AuditAction::ChallengeIssued);
    ChallengeStore::insert(&store, challenge.clone(), issued)
        .await
        .unwrap();
    let sent = [fixtures.pending_code(), fixtures.pending_code()];
    for code in &sent {
        let issued = event(AuditAction::CodeIssued);
        let put = store
            .put_code(tenant, &challenge.id, code.clone(), NOW, issued)
            .await;
        assert!(matches!(put.unwrap(), ChallengeOutcome::Done(_)));
    }
    store.close().await;

    let files = files(&bench);
    // The control: what stands is found.
    assert!(contains(&files, new_hash.expose().as_bytes()));
    assert!(contains(&files, &kept.sealed));
    assert!(contains(&files, left_code.as_bytes()));
    assert!(contains(&files, sent[1].digest.as_bytes()));
    // A part of each is enough to tell.
    let old_hash = credential.password.expose().as_bytes();
    assert!(!contains(&files, &old_hash[old_hash.len() - 32..]));
    assert!(!contains(&files, &removed.sealed[..16]));
    assert!(!contains(&files, &replaced_code.as_bytes()[..16]));
    assert!(!contains(&files, &taken_code.as_bytes()[..16]));
    assert!(!contains(&files, &sent[0].digest.as_bytes()[..16]));
}
