//! Tokens of another issuer that were revoked here: for as long as they could be alive, however short our own lives are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::access::{Authority, RoleCatalog};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::signing::{Algorithm, Kid, SigningKey};
use fountain_core::token::{
    AccessClaims, FetchError, FetchLimits, FetchedJwks, JwksFetch, RemoteIssuer, TokenRules,
    TokenSigner,
};
use fountain_core::{Actor, Fountain, ManualClock, OsRandom, Reason, Subject, Tenant, Timestamp};

#[derive(Debug)]
struct Published(String);

#[async_trait]
impl JwksFetch for Published {
    async fn fetch(&self, _: &str, _: FetchLimits) -> Result<FetchedJwks, FetchError> {
        Ok(FetchedJwks {
            body: self.0.clone().into_bytes(),
            media_type: Some("application/jwk-set+json".into()),
            max_age: None,
        })
    }
}

struct World {
    fountain: Fountain,
    partner: RemoteIssuer,
    clock: Arc<ManualClock>,
    token: String,
    alice: Subject,
}

/// Our tokens live 10 minutes, the partner's as long as any may. The token was issued just now.
async fn world() -> World {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_700_000_000)));
    let store = Arc::new(MemoryStore::new());
    let roles = RoleCatalog::builder()
        .permission("orders:read")
        .build()
        .unwrap();
    let fountain = Fountain::builder(store.clone())
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(roles.clone())
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom)).unwrap()))
        .clock(clock.clone())
        .build()
        .await
        .unwrap();

    let kid = Kid::new("2030-01").unwrap();
    let key = SigningKey::generate(Algorithm::EdDsa, &OsRandom).unwrap();
    let jwk = key.verifying_key().public_jwk(&kid).unwrap();
    let rules = TokenRules::builder()
        .issuer("https://login.partner.example")
        .audience("orders")
        .algorithm(Algorithm::EdDsa)
        .max_life(TokenRules::MAX_LIFE)
        .leeway(TokenRules::MAX_LEEWAY)
        .build()
        .unwrap();
    let partner = RemoteIssuer::builder()
        .rules(rules)
        .jwks_url("https://login.partner.example/jwks")
        .fetch(Published(format!("{{\"keys\":[{jwk}]}}")))
        .tenant(Tenant::default())
        .subject_prefix("partner:")
        .roles(roles)
        .allow_scope("orders:read")
        .revocations(store)
        .clock(clock.clone())
        .build()
        .unwrap();
    let claims = AccessClaims::decode(
        br#"{"iss":"https://login.partner.example","sub":"alice","aud":"orders","client_id":"web",
             "jti":"t1","iat":1700000000,"exp":1700086400,"scope":"orders:read"}"#,
    )
    .unwrap();
    let token = TokenSigner::new(kid, Arc::new(key))
        .sign_access(&claims)
        .unwrap();
    assert!(partner.verify(&token).await.is_ok());
    World {
        fountain,
        partner,
        clock,
        token,
        alice: Subject::new("partner:alice").unwrap(),
    }
}

/// Still refused at the last moment at which its rules would let it pass, with maintenance running all the while.
async fn stays_revoked(world: &World) {
    let last = TokenRules::MAX_LIFE + TokenRules::MAX_LEEWAY - Duration::from_secs(1);
    for step in [Duration::from_secs(900), last - Duration::from_secs(900)] {
        world.clock.advance(step);
        world.fountain.tick().await.unwrap();
        let refused = world.partner.verify(&world.token).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::TokenRevoked);
    }
}

/// R-21
#[tokio::test]
async fn revoking_a_subject_covers_other_issuers_tokens_until_they_end() {
    let world = world().await;
    let tokens = world.fountain.tokens();
    tokens
        .revoke_subject(&Actor::System, &Tenant::default(), &world.alice)
        .await
        .unwrap();
    stays_revoked(&world).await;
}

/// R-82
#[tokio::test]
async fn disabling_a_subject_covers_other_issuers_tokens_until_they_end() {
    let world = world().await;
    let (subjects, tenant) = (world.fountain.subjects(), Tenant::default());
    let none: [&str; 0] = [];
    subjects
        .register(Authority::System, &tenant, &world.alice, none)
        .await
        .unwrap();
    subjects
        .disable(Authority::System, &tenant, &world.alice)
        .await
        .unwrap();
    stays_revoked(&world).await;
}

/// R-21
#[tokio::test]
async fn revoking_another_issuers_token_by_its_id_covers_the_leeway_of_its_verifier() {
    let world = world().await;
    world
        .fountain
        .tokens()
        .revoke_id(
            &Actor::System,
            &Tenant::default(),
            world.partner.issuer().clone(),
            "t1".parse().unwrap(),
            Timestamp::from_unix_seconds(1_700_086_400),
        )
        .await
        .unwrap();
    stays_revoked(&world).await;
}
