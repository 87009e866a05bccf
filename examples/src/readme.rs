//! The README's quickstart, compiled. A test holds both against each other.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use fountain_core::access::{Authority, Authorized, Require, Requirement, RoleCatalog};
use fountain_core::api_key::NewApiKey;
use fountain_core::seal::KeyEncryption;
use fountain_core::{Fountain, Tenant};
use fountain_store_sqlite::SqliteStore;
use fountain_tower::AuthLayer;
use fountain_tower::axum::Authorize;

fn orders<R>(proof: &Authorized<R>) -> String {
    format!("for {}", proof.principal().subject())
}

/// What the README shows.
///
/// # Errors
/// What the store or the wiring says.
#[rustfmt::skip]
pub async fn readme(key_encryption: Arc<dyn KeyEncryption>) -> Result<Router, Box<dyn std::error::Error>> {
    struct ReadOrders;
    impl Require for ReadOrders {
        fn requirement() -> Requirement { Requirement::permission("orders:read") }
    }
    let roles = RoleCatalog::builder().permission("orders:read").require::<ReadOrders>().build()?;
    let fountain = Fountain::builder(Arc::new(SqliteStore::open("fountain.db").await?))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles)
        .key_encryption(key_encryption) // LocalKeys with 32 secret bytes from outside the store, or a service
        .build().await?;
    let new = NewApiKey::for_service("billing").scope("orders:read");
    let issued = fountain.api_keys().issue(Authority::System, &Tenant::default(), new).await?;
    println!("{}", issued.key.expose()); // shown once; the store holds a digest
    let app = Router::new()
        .route("/orders", get(|Authorize(proof): Authorize<ReadOrders>| async move { orders(&proof) }))
        .layer(AuthLayer::for_fountain(&fountain).build()?);
    Ok(app)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_shows_exactly_this_code_in_at_most_20_lines() {
        let readme = include_str!("../../README.md");
        let (_, rest) = readme.split_once("```rust\n").expect("the README has code");
        let (shown, _) = rest.split_once("```").expect("the code ends");
        assert!(shown.lines().count() <= 20);
        let here: String = include_str!("readme.rs")
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
            .collect();
        assert!(
            here.contains(shown),
            "examples/src/readme.rs and README.md differ"
        );
    }
}
