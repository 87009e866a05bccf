//! The step-up layer: from an enrolled authenticator app to the act, and every way in which it is refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fountain_core::access::{
    Authority, CompiledRequirement, Require, Requirement, Role, RoleCatalog, StepUpAction,
};
use fountain_core::authenticate::{Authenticator, PresentedCredential};
use fountain_core::identity::{
    Assurance, ClientId, Credential, FamilyId, Issuer, PrincipalParts, Subject, TokenId,
};
use fountain_core::lockout::Lockout;
use fountain_core::memory::MemoryStore;
use fountain_core::otp::{OtpSecret, SecondFactor, SecondFactorAnswer, StepUp, Totp};
use fountain_core::seal::{KekId, LocalKeys, Sealer};
use fountain_core::{
    Clock as _, ManualClock, OsRandom, Pepper, Principal, Reason, Rejection, Secret, Tenant,
    Timestamp,
};
use fountain_tower::step_up::take_step_up;
use fountain_tower::{AuthLayer, Grpc, RequireLayer, StepUpLayer, authorize};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

use crate::support::{Body, Hand, bearer};

pub(crate) struct RotateKeys;

impl Require for RotateKeys {
    fn requirement() -> Requirement {
        Requirement::permission("keys:rotate").step_up("keys:rotate")
    }
}

pub(crate) fn catalog() -> RoleCatalog {
    RoleCatalog::builder()
        .permissions(["keys:rotate"])
        .role(Role::new("admin").grant("keys:rotate"))
        .require::<RotateKeys>()
        .build()
        .unwrap()
}

fn requirement() -> CompiledRequirement {
    catalog().compile(&RotateKeys::requirement()).unwrap()
}

pub(crate) fn session(name: &str, roles: &[&str]) -> Principal {
    Principal::new(PrincipalParts {
        tenant: Tenant::default(),
        subject: Subject::new(name).unwrap(),
        credential: Credential::AccessToken {
            id: TokenId::new("t1").unwrap(),
            issuer: Issuer::new("https://auth.example.com").unwrap(),
            family: Some(FamilyId::new("f".repeat(22)).unwrap()),
            client: ClientId::new("web").unwrap(),
        },
        roles: vec![],
        scopes: vec![],
        grants: catalog().resolve_roles(roles),
        assurance: Assurance {
            acr: None,
            amr: vec!["pwd".to_owned()],
            auth_time: None,
        },
        expires_at: Timestamp::MAX,
        superseded_at: None,
    })
}

/// Knows everybody by the name in the token; `alice` is an administrator.
#[derive(Debug)]
struct Names;

#[async_trait::async_trait]
impl Authenticator for Names {
    fn recall(&self, credential: &PresentedCredential<'_>) -> Option<Principal> {
        let PresentedCredential::AccessToken(name) = credential else {
            return None;
        };
        let roles: &[&str] = if *name == "alice" { &["admin"] } else { &[] };
        Some(session(name, roles))
    }
    async fn authenticate(&self, _: PresentedCredential<'_>) -> Result<Principal, Rejection> {
        Err(Rejection::invalid_token(Reason::TokenSignature))
    }
}

pub(crate) struct World {
    pub(crate) step_up: StepUp,
    factors: SecondFactor,
    app: Totp,
    clock: Arc<ManualClock>,
    ran: Arc<AtomicUsize>,
}

pub(crate) async fn world() -> World {
    let (store, random) = (Arc::new(MemoryStore::new()), Arc::new(OsRandom));
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let pepper = || Pepper::new(&[7; 32]);
    let keys = LocalKeys::new(
        KekId::new("k1").unwrap(),
        &std::array::from_fn(|at| u8::try_from(at * 7 % 251).unwrap()),
        random.clone(),
    );
    let lockout = Lockout::builder(store.clone(), pepper())
        .clock(clock.clone())
        .build()
        .unwrap();
    let sealer = Sealer::new(Arc::new(keys.unwrap()), random);
    let factors = SecondFactor::builder(store.clone(), store.clone(), lockout, sealer, pepper())
        .service_name("Example Shop")
        .clock(clock.clone())
        .build()
        .unwrap();
    let (tenant, alice) = (Tenant::default(), Subject::new("alice").unwrap());
    let enrolled = factors
        .enrol_totp(Authority::System, &tenant, &alice, "alice", None)
        .await
        .unwrap();
    let app = Totp::new(OtpSecret::from_base32(enrolled.secret.expose()).unwrap());
    let code = app.code_at(clock.now()).unwrap();
    factors
        .confirm(&tenant, &alice, &enrolled.factor, code.expose())
        .await
        .unwrap();
    World {
        step_up: StepUp::builder(store, pepper())
            .clock(clock.clone())
            .build()
            .unwrap(),
        factors,
        app,
        clock,
        ran: Arc::default(),
    }
}

impl World {
    /// What `alice` gets for the next code of her app.
    pub(crate) async fn grant(&self, resource: Option<&str>) -> Secret {
        self.clock.advance(Duration::from_secs(30));
        let alice = session("alice", &["admin"]);
        let action = StepUpAction::new("keys:rotate").unwrap();
        let code = self.app.code_at(self.clock.now()).unwrap();
        let shown = self
            .factors
            .verify(
                alice.tenant(),
                alice.subject(),
                &StepUp::purpose(),
                &self.step_up.binding(&alice, &action, resource),
                SecondFactorAnswer::Authenticator(code.expose()),
                None,
            )
            .await
            .unwrap();
        let granted = self.step_up.grant(&alice, &action, resource, shown).await;
        granted.unwrap().grant
    }

    pub(crate) fn layer(&self) -> StepUpLayer {
        StepUpLayer::new(self.step_up.clone(), requirement())
            .unwrap()
            .resource(|request| Some(request.uri.path().strip_prefix("/keys/")?.to_owned()))
    }

    /// Rotates the key that the proof names, and nothing else.
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let ran = self.ran.clone();
        let handler = service_fn(move |request: Request<Body>| {
            let ran = ran.clone();
            async move {
                ran.fetch_add(1, Ordering::Relaxed);
                assert!(!request.headers().contains_key("fountain-step-up"));
                let proof = authorize::<RotateKeys>(request.extensions()).unwrap();
                let key = proof.resource().unwrap().to_owned();
                assert!(
                    authorize::<RotateKeys>(request.extensions()).is_err(),
                    "one grant, one act"
                );
                Ok::<_, Infallible>(Response::new(Body::from(key)))
            }
        });
        ServiceBuilder::new()
            .layer(auth())
            .layer(self.layer())
            .service(handler)
            .oneshot(request)
            .await
            .unwrap()
    }

    fn ran(&self) -> usize {
        self.ran.load(Ordering::Relaxed)
    }
}

pub(crate) fn auth() -> AuthLayer {
    AuthLayer::builder(Arc::new(Names))
        .realm("x")
        .roles(catalog())
        .timer(Arc::new(Hand::default()))
        .build()
        .unwrap()
}

/// A request of this name for this path, with these values of the header.
fn request(name: &str, path: &str, grants: &[&[u8]]) -> Request<Body> {
    let mut request = bearer(name);
    *request.uri_mut() = path.parse().unwrap();
    for grant in grants {
        let value = http::HeaderValue::from_bytes(grant).unwrap();
        request.headers_mut().append("fountain-step-up", value);
    }
    request
}

async fn problem(response: Response<Body>) -> serde_json::Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// L-06, R-58, R-60: from the refusal to the act, once.
#[tokio::test]
async fn the_refusal_says_what_to_step_up_for_and_the_grant_is_spent_on_it() {
    let world = world().await;
    let refused = world.call(request("alice", "/keys/k1", &[])).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.headers()["www-authenticate"],
        "Bearer realm=\"x\", error=\"insufficient_user_authentication\", \
         acr_values=\"urn:fountain:acr:mfa\", max_age=\"120\""
    );
    let asked = problem(refused).await;
    assert_eq!(asked["action"], "keys:rotate");
    assert_eq!(asked["resource"], "k1");
    assert_eq!(asked["acr_values"], "urn:fountain:acr:mfa");
    assert_eq!(asked["max_age"], 120);

    let grant = world.grant(asked["resource"].as_str()).await;
    let sent = [grant.expose().as_bytes()];
    // Another key, another person: refused, and the grant is still good.
    for (name, path) in [("alice", "/keys/k2"), ("bob", "/keys/k1")] {
        let refused = world.call(request(name, path, &sent)).await;
        assert_ne!(refused.status(), 200);
    }
    assert_eq!(world.ran(), 0);
    let done = world.call(request("alice", "/keys/k1", &sent)).await;
    assert_eq!(done.status(), 200);
    assert_eq!(done.into_body().collect().await.unwrap().to_bytes(), "k1");

    let again = world.call(request("alice", "/keys/k1", &sent)).await;
    assert_eq!(again.status(), 401);
    assert_eq!(problem(again).await, asked, "spent looks like missing");
    assert_eq!(world.ran(), 1);
}

/// The order of the decisions: the form, the principal, the role, the grant.
#[tokio::test]
async fn each_refusal_has_its_status_and_nothing_runs() {
    let world = world().await;
    let long = "x".repeat(100_000);
    for (asked, status) in [
        (request("alice", "/keys/k1", &[]), 401),
        (request("alice", "/keys/k1", &[b""]), 401),
        (request("alice", "/keys/k1", &[b"fsu1.forged"]), 401),
        (request("alice", "/keys/k1", &[long.as_bytes()]), 401),
        (request("alice", "/keys/k1", &[b"a", b"a"]), 400),
        (request("alice", "/keys/k1", &[b"a", b""]), 400),
        (request("alice", "/keys/k1", &[b"\xff"]), 400),
        (request("alice", "/keys/k1", &["fsu1.ü".as_bytes()]), 400),
        (request("alice", "/keys/k1", &[b"a b"]), 400),
        (request("alice", "/keys/k1", &[b"a\tb"]), 400),
        (request("alice", "/other", &[]), 400),
        (
            request("alice", &format!("/keys/{}", "k".repeat(1_025)), &[b"a"]),
            400,
        ),
        (request("bob", "/keys/k1", &[]), 403),
        (request("bob", "/keys/k1", &[b"fsu1.forged"]), 403),
        (request("bob", "/keys/k1", &[b"a", b"a"]), 400),
    ] {
        let shown = format!("{asked:?}");
        assert_eq!(world.call(asked).await.status(), status, "{shown}");
    }
    assert_eq!(world.ran(), 0);
}

///
#[tokio::test]
async fn who_lacks_the_role_spends_no_grant() {
    let world = world().await;
    let grant = world.grant(Some("k1")).await;
    // The same session, without the role: as after a change of roles.
    let layer = world.layer();
    let demoted = session("alice", &[]);
    let inner = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let demote = tower::util::MapRequestLayer::new(move |mut request: Request<Body>| {
        request.extensions_mut().insert(demoted.clone());
        request
    });
    let service = ServiceBuilder::new()
        .layer(auth())
        .layer(demote)
        .layer(layer)
        .service(inner);
    let sent = [grant.expose().as_bytes()];
    let refused = service.oneshot(request("alice", "/keys/k1", &sent)).await;
    assert_eq!(refused.unwrap().status(), 403);
    let done = world.call(request("alice", "/keys/k1", &sent)).await;
    assert_eq!(done.status(), 200);
}

/// Where layers are put together wrongly nobody passes.
#[tokio::test]
async fn without_the_layers_around_it_nothing_passes() {
    let world = world().await;
    let grant = world.grant(Some("k1")).await;
    let sent = [grant.expose().as_bytes()];
    let inner = service_fn(|request: Request<Body>| async move {
        assert!(take_step_up(request.extensions()).is_none());
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let no_auth = world.layer().layer(inner);
    let refused = no_auth.oneshot(request("alice", "/keys/k1", &sent)).await;
    assert_eq!(refused.unwrap().status(), 500);

    // A RequireLayer cannot spend a grant, so it lets nobody through.
    let require = auth().layer(RequireLayer::new(requirement()).layer(inner));
    let refused = require.oneshot(request("alice", "/keys/k1", &sent)).await;
    let refused = refused.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(problem(refused).await["action"], "keys:rotate");

    // Where authentication is optional, nobody is nobody.
    let optional = auth().optional().layer(world.layer().layer(inner));
    let mut anonymous = request("alice", "/keys/k1", &sent);
    anonymous.headers_mut().remove("authorization");
    let refused = optional.oneshot(anonymous).await.unwrap();
    assert_eq!(refused.status(), 401);

    let open = catalog().compile(&Requirement::authenticated()).unwrap();
    assert!(StepUpLayer::new(world.step_up.clone(), open).is_err());
    assert_eq!(
        world
            .call(request("alice", "/keys/k1", &sent))
            .await
            .status(),
        200
    );
}

/// A request that is cloned, as by a layer that tries again, has its proof once.
#[tokio::test]
async fn of_the_clones_of_a_request_one_has_the_proof() {
    let world = world().await;
    let grant = world.grant(Some("k1")).await;
    let inner = service_fn(|request: Request<Body>| async move {
        let clone = request.extensions().clone();
        assert!(take_step_up(&clone).is_some());
        assert!(take_step_up(&clone).is_none() && take_step_up(request.extensions()).is_none());
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let service = auth().layer(world.layer().layer(inner));
    let sent = [grant.expose().as_bytes()];
    let done = service.oneshot(request("alice", "/keys/k1", &sent)).await;
    assert_eq!(done.unwrap().status(), 200);
}

/// readiness is the wrapped service's; what it reserved is used, or given back.
#[tokio::test]
async fn the_layer_keeps_towers_contract() {
    let world = world().await;
    let grant = world.grant(Some("k1")).await;
    let sent = [grant.expose().as_bytes()];
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut service = mock::Spawn::new(auth().layer(world.layer().layer(service)));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    // Refused: nothing was handed on, and the place is free again.
    let mut refused = tokio_test::task::spawn(service.call(request("alice", "/keys/k2", &sent)));
    assert_eq!(assert_ready!(refused.poll()).unwrap().status(), 401);
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    // Dropped before its first poll: not handed on, and not spent.
    drop(tokio_test::task::spawn(
        service.call(request("alice", "/keys/k1", &sent)),
    ));
    let mut next = tokio_test::task::spawn(handle.next_request());
    assert_pending!(next.poll());
    drop(next);
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = tokio_test::task::spawn(service.call(request("alice", "/keys/k1", &sent)));
    assert_pending!(call.poll());
    let (_, send) = assert_ready!(tokio_test::task::spawn(handle.next_request()).poll()).unwrap();
    send.send_response(Response::new(Body::from("done")));
    assert_ready_ok!(call.poll());
}

#[tokio::test]
async fn grpc_tells_the_act_and_the_resource_as_metadata() {
    let world = world().await;
    let inner = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let service = auth().layer(world.layer().responder(Grpc).layer(inner));
    let refused = service.oneshot(request("alice", "/keys/k1", &[])).await;
    let refused = refused.unwrap();
    let headers = refused.headers();
    assert_eq!(headers["grpc-status"], "16");
    assert_eq!(headers["fountain-step-up-action"], "keys:rotate");
    assert_eq!(headers["fountain-step-up-resource-bin"], "azE");
    assert!(headers.contains_key("www-authenticate"));
}

#[cfg(feature = "axum")]
mod in_axum {
    use axum::Router;
    use axum::extract::Path;
    use axum::routing::{delete, post};
    use fountain_tower::axum::{Authenticated, Authorize, PresentedGrant, TakenStepUp};
    use fountain_tower::{Answers, ProblemJson};

    use super::*;

    fn routes(world: &World) -> Router {
        let step_up = world.step_up.clone();
        Router::new()
            .route(
                "/keys/{id}",
                post(|Authorize(proof): Authorize<RotateKeys>| async move {
                    proof.resource().unwrap_or_default().to_owned()
                })
                .put(|TakenStepUp(proof): TakenStepUp| async move {
                    proof.resource().unwrap_or_default().to_owned()
                }),
            )
            .route_layer(world.layer())
            .route(
                "/own/{id}",
                delete(
                    |Path(id): Path<String>,
                     answers: Answers,
                     Authenticated(who): Authenticated,
                     grant: PresentedGrant| async move {
                        assert!(!format!("{grant:?}").contains("fsu1"));
                        let proof = step_up
                            .authorize::<RotateKeys>(&catalog(), who, Some(&id), grant.text())
                            .await;
                        match proof {
                            Ok(_) => Response::new(axum::body::Body::empty()),
                            Err(refused) => answers.respond(&ProblemJson, &refused, None),
                        }
                    },
                ),
            )
            .route("/unwired", post(|_: TakenStepUp| async {}))
            .layer(auth())
    }

    #[tokio::test]
    async fn extractors_take_the_proof_or_the_text() {
        let world = world().await;
        let routes = routes(&world);
        for (method, path, needs) in [
            ("POST", "/keys/k1", true),
            ("PUT", "/keys/k1", true),
            ("DELETE", "/own/k1", true),
            ("POST", "/unwired", false),
        ] {
            let call = |grants: &[&[u8]]| {
                let mut asked = request("alice", path, grants);
                *asked.method_mut() = method.parse().unwrap();
                routes.clone().oneshot(asked.map(axum::body::Body::new))
            };
            let grant = world.grant(Some("k1")).await;
            let sent: [&[u8]; 1] = [grant.expose().as_bytes()];
            if !needs {
                assert_eq!(call(&sent).await.unwrap().status(), 500);
                continue;
            }
            assert_eq!(call(&[]).await.unwrap().status(), 401, "{path}");
            assert_eq!(call(&[sent[0], sent[0]]).await.unwrap().status(), 400);
            assert_eq!(call(&sent).await.unwrap().status(), 200, "{path}");
            assert_eq!(call(&sent).await.unwrap().status(), 401, "{path}");
        }
    }
}
