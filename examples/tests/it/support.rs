use fountain_examples::service::{Config, Service, StoreChoice};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::boss::{Boss, Calls, PASSWORD, sign_in};

type Body = Full<axum::body::Bytes>;

/// A running service, and a client of it.
pub(crate) struct World {
    service: Service,
    client: Client<HttpConnector, Body>,
    /// The key that may do everything.
    pub(crate) admin: String,
    _folder: Option<TempDir>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl World {
    pub(crate) async fn in_memory() -> Self {
        Self::of(Config::in_memory().unwrap(), None).await
    }

    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_memory().unwrap();
        config.store = StoreChoice::Sqlite(folder.path().join("fountain.db"));
        Self::of(config, Some(folder)).await
    }

    /// One on each kind of store.
    pub(crate) async fn all() -> [Self; 2] {
        [Self::in_memory().await, Self::on_sqlite().await]
    }

    pub(crate) async fn of(config: Config, folder: Option<TempDir>) -> Self {
        let service = Service::start(&config).await.unwrap();
        let password = service.admin_password();
        let password = password.map_or(String::new(), |password| password.expose().to_owned());
        let mut world = Self {
            service,
            client: Client::builder(TokioExecutor::new()).build_http(),
            admin: String::new(),
            _folder: folder,
        };
        if !password.is_empty() {
            let (token, _) = sign_in(&world, "admin", &password).await;
            let body = json!({ "name": "ops", "scopes": ["*"] });
            world.admin = world.post("/v1/keys", &token, body).await.string("key");
        }
        world
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.service.address()
    }

    pub(crate) async fn stop(self) {
        drop(self.client);
        self.service.stop().await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str, credential: &str) -> Answer {
        self.call(Method::GET, path, credential, None).await
    }

    pub(crate) async fn post(&self, path: &str, credential: &str, body: Value) -> Answer {
        self.call(Method::POST, path, credential, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, credential: &str) -> Answer {
        self.call(Method::DELETE, path, credential, None).await
    }

    /// With a credential, unless it is empty; with a body of JSON, if there is one.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        body: Option<Value>,
    ) -> Answer {
        self.call_with(method, path, credential, "", body).await
    }

    pub(crate) async fn call_with(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        grant: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !grant.is_empty() {
            request = request.header("fountain-step-up", grant);
        }
        if !credential.is_empty() {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let text = match &body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                body.to_string()
            }
            None => String::new(),
        };
        self.send(request.body(text).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        let (mut parts, body) = request.into_parts();
        let address = self.service.address();
        parts.uri = format!("http://{address}{}", parts.uri).parse().unwrap();
        let request = Request::from_parts(parts, Full::from(body));
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A new key with these scopes: its id and its text.
    pub(crate) async fn key(&self, scopes: &[&str]) -> (String, String) {
        let body = json!({ "name": "billing", "scopes": scopes });
        let answer = self.post("/v1/keys", &self.admin, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        (answer.string("id"), answer.string("key"))
    }

    /// Registers a subject with this role and the usual password, unless it is there.
    pub(crate) async fn register(&self, subject: &str, role: &str) {
        let body = json!({ "username": subject, "password": PASSWORD, "roles": [role] });
        let answer = self.post("/v1/subjects", &self.admin, body).await;
        assert!(matches!(answer.status.as_u16(), 201 | 409), "{answer:?}");
    }

    /// An access token and its refresh token for a subject with this role, which has signed in by password.
    pub(crate) async fn tokens(&self, subject: &str, role: &str) -> (String, String) {
        self.register(subject, role).await;
        sign_in(self, subject, PASSWORD).await
    }

    /// An administrator that can step up.
    pub(crate) async fn boss(&self) -> Boss {
        self.register("root", "admin").await;
        Boss::enrolled(self, "root").await
    }

    /// As [`post`](Self::post), with a grant by step-up.
    pub(crate) async fn post_with(
        &self,
        path: &str,
        credential: &str,
        grant: &str,
        body: Value,
    ) -> Answer {
        self.call_with(Method::POST, path, credential, grant, Some(body))
            .await
    }
}

impl Calls for World {
    async fn ask(&self, path: &str, credential: &str, grant: &str, body: Value) -> (u16, Value) {
        let answer = self.post_with(path, credential, grant, body).await;
        let body = serde_json::from_str(&answer.text).unwrap_or_default();
        (answer.status.as_u16(), body)
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn string(&self, name: &str) -> String {
        self.json()[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {self:?}"))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts a problem of this status and code.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["code"], code);
        assert!(body["type"].is_string() && body["title"].is_string());
        assert!(!self.header("x-request-id").is_empty());
        if status == 401 {
            assert!(self.headers.contains_key("www-authenticate"), "{self:?}");
        }
    }
}
