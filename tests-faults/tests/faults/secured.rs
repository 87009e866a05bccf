//! PostgreSQL over TLS: whom a node talks to, and that it talks to nobody else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fountain_store_postgres::PostgresStore;
use fountain_tests_faults::Server;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use sqlx::postgres::PgSslMode;
use tempfile::TempDir;

use crate::world::{accepts, issue, number, options, pool, revoke, wiring};

/// A certificate authority, its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut of = CertificateParams::new(Vec::new()).unwrap();
        of.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(of, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.crt"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root.crt")
    }

    /// A PostgreSQL with a certificate for this name.
    async fn server(&self, name: &str) -> Server {
        let key = KeyPair::generate().unwrap();
        let of = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = of.signed_by(&key, &self.issuer).unwrap();
        Server::postgres_with_certificate(&certificate.pem(), &key.serialize_pem()).await
    }
}

async fn store(server: &Server, root: &Path) -> Option<(PostgresStore, sqlx::PgPool)> {
    let options = options(&server.url())
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(root);
    let pool = pool(options, 4);
    let builder = PostgresStore::builder(pool.clone()).deadline(Duration::from_secs(5));
    Some((builder.build().await.ok()?, pool))
}

/// Each connection of the store is one over TLS, and it works as without.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_works_over_tls_with_a_server_that_it_has_verified() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    let (store, pool) = store(&server, &authority.root()).await.unwrap();
    let fountain = wiring(Arc::new(store))
        .staleness(Duration::ZERO)
        .build()
        .await
        .unwrap();
    let key = issue(&fountain).await.unwrap();
    assert_eq!(accepts(&fountain, &key).await, Ok(true));
    revoke(&fountain, &key).await.unwrap();
    assert_eq!(accepts(&fountain, &key).await, Ok(false));

    let mut one = pool.acquire().await.unwrap();
    let clear = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
                 WHERE backend_type = 'client backend' AND NOT ssl";
    assert_eq!(number(&mut one, clear).await, 0);
    let own = "SELECT ssl::int::bigint FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(number(&mut one, own).await, 1);
}

/// A server that somebody else vouches for, one with another name, and one without TLS are no servers of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_talks_to_no_server_that_it_cannot_verify() {
    let (ours, another) = (Authority::new(), Authority::new());
    let right = ours.server("127.0.0.1").await;
    assert!(store(&right, &another.root()).await.is_none());
    assert!(store(&right, &ours.root()).await.is_some());
    let misnamed = another.server("db.example.com").await;
    assert!(store(&misnamed, &another.root()).await.is_none());
    let clear = Server::postgres(&[]).await;
    assert!(store(&clear, &ours.root()).await.is_none());
}
