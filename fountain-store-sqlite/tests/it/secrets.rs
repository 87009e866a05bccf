//! What whoever steals the file does not learn from it.

use std::sync::Arc;

use fountain_core::access::{Role, RoleCatalog};
use fountain_core::identity::ClientId;
use fountain_core::seal::{KekId, LocalKeys};
use fountain_core::token::{NewTokens, RefreshRequest};
use fountain_core::{Actor, Fountain, OsRandom, Random, Subject};

use crate::workbench::Workbench;

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

    let mut files = Vec::new();
    for entry in std::fs::read_dir(bench.path().parent().unwrap()).unwrap() {
        files.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
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
