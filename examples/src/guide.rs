//! The guide of `docs/`: its code is compiled and run with the documentation tests.

use std::sync::Arc;

use fountain_core::access::{Role, RoleCatalog};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::{Clock, Fountain, OsRandom};

/// The service that the guide's pages begin with: in memory, for the audience `orders`, with two roles.
///
/// # Errors
/// What the wiring says.
///
/// # Cancel safety
/// Nothing is kept.
pub async fn fountain(clock: Arc<dyn Clock>) -> Result<Fountain, Box<dyn std::error::Error>> {
    let roles = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write", "keys:rotate"])
        .role(Role::new("clerk").grant("orders:*"))
        .role(Role::new("admin").inherit("clerk").grant("keys:rotate"))
        .build()?;
    let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles)
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
        .clock(clock)
        .build()
        .await?;
    Ok(fountain)
}

/// Each page of the guide with code in it, so that the documentation tests find it.
#[cfg(doctest)]
mod pages {
    macro_rules! pages {
        ($($name:ident = $path:literal,)+) => {
            $(#[doc = include_str!(concat!("../../docs/src/", $path))] struct $name;)+
        };
    }

    pages! {
        OneDirection = "concepts/one-direction.md",
        Stores = "concepts/stores.md",
        Changes = "concepts/changes.md",
        Refusals = "concepts/refusals.md",
        ApiKeys = "how-to/api-keys.md",
        Tokens = "how-to/tokens.md",
        SigningKeys = "how-to/signing-keys.md",
        Access = "how-to/access.md",
        SignIn = "how-to/login.md",
        Passwords = "how-to/passwords.md",
        SecondFactors = "how-to/second-factors.md",
        Delivery = "how-to/delivery.md",
        StepUp = "how-to/step-up.md",
        OtherIssuers = "how-to/other-issuers.md",
        Axum = "how-to/axum.md",
        Tonic = "how-to/tonic.md",
        OwnStore = "how-to/store.md",
        Sealing = "how-to/sealing.md",
        Maintenance = "how-to/maintenance.md",
        Postgres = "operations/postgres.md",
        Nodes = "operations/nodes.md",
        FirstStart = "operations/first-start.md",
        Metrics = "operations/metrics.md",
        KeyEncryption = "operations/key-encryption.md",
        Emergency = "operations/emergency.md",
        Backup = "operations/backup.md",
        FromJsonwebtoken = "from-jsonwebtoken.md",
    }
}

#[cfg(test)]
mod tests {
    use fountain_core::metrics;

    #[test]
    fn the_guide_lists_every_metric_with_its_labels_and_no_other() {
        let page = include_str!("../../docs/src/operations/metrics.md");
        for metric in metrics::ALL {
            let labels = match metric.labels {
                [] => "none".to_owned(),
                labels => format!("`{}`", labels.join("`, `")),
            };
            let row = format!("| `{}` | {labels} |", metric.name);
            assert!(page.contains(&row), "the page has no row {row}");
        }
        // The alerts below name metrics too, but never alone in a cell.
        let rows = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `fountain_")?.split_once("` |"))
            .filter(|(name, _)| {
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            });
        assert_eq!(rows.count(), metrics::ALL.len());
    }
}
