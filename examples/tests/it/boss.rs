//! Somebody who signs in, enrols an authenticator, and steps up by recovery codes, which need not be waited for.

use std::time::Duration;

use fountain_core::otp::{OtpSecret, Totp};
use fountain_core::{Clock as _, SystemClock, Timestamp};
use fountain_tests_faults::pause;
use serde_json::{Value, json};

/// How a service is called.
pub(crate) trait Calls {
    /// With this credential and grant by step-up, unless they are empty: the status, and the body.
    async fn ask(&self, path: &str, credential: &str, grant: &str, body: Value) -> (u16, Value);
}

/// A subject with an authenticator, and recovery codes to spare.
pub(crate) struct Boss {
    name: String,
    codes: Vec<String>,
    pub(crate) totp: Totp,
    /// Of the last time that it signed in.
    pub(crate) token: String,
}

pub(crate) const PASSWORD: &str = "correct horse battery staple";

fn text(answer: &Value, name: &str) -> String {
    let text = answer[name].as_str();
    text.unwrap_or_else(|| panic!("{name}: {answer}"))
        .to_owned()
}

async fn good(calls: &impl Calls, path: &str, credential: &str, grant: &str, body: Value) -> Value {
    let (status, answer) = calls.ask(path, credential, grant, body).await;
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// Tokens for a name and a password, where no second factor is enrolled.
pub(crate) async fn sign_in(calls: &impl Calls, name: &str, password: &str) -> (String, String) {
    let body = json!({ "username": name, "password": password });
    let answer = good(calls, "/v1/login", "", "", body).await;
    (
        text(&answer, "access_token"),
        text(&answer, "refresh_token"),
    )
}

/// An instant that is not near the end of a step of 30 s: a code of it is good for some seconds more.
pub(crate) async fn early_in_a_step() -> Timestamp {
    loop {
        let now = SystemClock::new().now();
        if now.as_unix_seconds() % 30 < 20 {
            return now;
        }
        pause(Duration::from_millis(250)).await;
    }
}

impl Boss {
    /// Signs in, enrols an authenticator, confirms it, and takes recovery codes.
    pub(crate) async fn enrolled(calls: &impl Calls, name: &str) -> Self {
        let (token, _) = sign_in(calls, name, PASSWORD).await;
        let begun = good(calls, "/v1/factors/totp", &token, "", json!({})).await;
        let totp = Totp::new(OtpSecret::from_base32(&text(&begun, "secret")).unwrap());
        let now = early_in_a_step().await;
        // The step before this one is good as well, so that this one is left for the next call.
        let before = totp.code_at(now - Duration::from_secs(30)).unwrap();
        let body = json!({ "factor": begun["factor"], "code": before.expose() });
        good(calls, "/v1/factors/totp/confirm", &token, "", body).await;
        let code = totp.code_at(now).unwrap();
        let body = json!({ "method": "totp", "code": code.expose(), "action": "factors:recovery" });
        let granted = good(calls, "/v1/step-up", &token, "", body).await;
        let mut boss = Self {
            name: name.to_owned(),
            codes: Vec::new(),
            totp,
            token,
        };
        boss.renew(calls, &text(&granted, "grant")).await;
        boss
    }

    async fn renew(&mut self, calls: &impl Calls, grant: &str) {
        let made = good(calls, "/v1/factors/recovery", &self.token, grant, json!({})).await;
        let codes = made["codes"].as_array().unwrap().iter();
        self.codes = codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(self.codes.len(), 10);
    }

    fn code(&mut self) -> String {
        self.codes.pop().unwrap()
    }

    /// Signs in again, by password and recovery code.
    pub(crate) async fn sign_in(&mut self, calls: &impl Calls) {
        let body = json!({ "username": self.name, "password": PASSWORD });
        let asked = good(calls, "/v1/login", "", "", body).await;
        assert!(asked.get("access_token").is_none(), "{asked}");
        let challenge = &asked["second_factor"]["challenge"];
        let body = json!({ "challenge": challenge, "method": "recovery", "code": self.code() });
        let answer = good(calls, "/v1/login/second-factor", "", "", body).await;
        self.token = text(&answer, "access_token");
    }

    /// A grant for one act.
    pub(crate) async fn grant(
        &mut self,
        calls: &impl Calls,
        action: &str,
        resource: Option<&str>,
    ) -> String {
        if self.codes.len() < 3 {
            let grant = self.stepped_up(calls, "factors:recovery", None).await;
            self.renew(calls, &grant).await;
        }
        self.stepped_up(calls, action, resource).await
    }

    async fn stepped_up(
        &mut self,
        calls: &impl Calls,
        action: &str,
        resource: Option<&str>,
    ) -> String {
        let mut body = json!({ "method": "recovery", "code": self.code(), "action": action });
        if let Some(resource) = resource {
            body["resource"] = resource.into();
        }
        let granted = good(calls, "/v1/step-up", &self.token, "", body).await;
        text(&granted, "grant")
    }
}
