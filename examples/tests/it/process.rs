//! The program itself: what it says, what it does not say, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use fountain_examples::Client;
use serde_json::{Value, json};

pub(crate) const KEK: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const PEPPER: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
    command
        .env_clear()
        .current_dir(folder)
        .env("FOUNTAIN_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Ends by itself: its status, and what it wrote to stderr.
fn refused(command: &mut Command) -> (ExitStatus, String) {
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status, String::from_utf8(output.stderr).unwrap())
}

/// The next event on stdout.
fn event(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Value {
    serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
}

/// The body of the answer, as JSON if it is.
fn raw(address: SocketAddr, head: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_default()
}

fn login(address: SocketAddr, name: &str, password: &str) -> Value {
    let head = "POST /v1/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let body = json!({ "username": name, "password": password });
    raw(address, head, &body.to_string())
}

/// Kills the program when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_announces_itself_keeps_secrets_out_of_its_log_and_ends_with_0_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Running(
        program(folder.path())
            .args(["--dev", "--verbose", "--verbose"])
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let bootstrap = event(&mut lines);
    assert_eq!(bootstrap["event"], "bootstrap");
    let password = bootstrap["password"].as_str().unwrap().to_owned();
    let listening = event(&mut lines);
    assert_eq!(listening["event"], "listening");
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    let signed_in = login(address, "admin", &password);
    let key = signed_in["access_token"].as_str().unwrap().to_owned();
    // A name that nobody has, and a password that nobody has, as when they are typed into each other's field.
    for (name, guess) in [(password.as_str(), "admin"), ("admin", "canary-of-a-guess")] {
        assert_eq!(login(address, name, guess)["code"], "authentication_failed");
    }

    let client = Client::new(address);
    let pasted = "canary-in-a-query";
    for credential in [Some(key.as_str()), Some("canary.in.header"), None] {
        for path in [
            "/v1/whoami",
            "/demo/orders/canary-in-a-path",
            "/v1/keys?after=canary-in-a-query",
        ] {
            client.get(path, credential).await.unwrap();
        }
    }
    let made = client.get("/v1/keys", Some(&key)).await.unwrap();
    assert_eq!(made.status, 200);
    drop(client);

    // Tokens: issued, used, renewed, replayed, revoked, asked about; and a body that is nearly right.
    let post = |path: &str, body: Value| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             X-Request-Id: {}\r\nContent-Type: application/json\r\n",
            "i".repeat(10_000)
        );
        raw(address, &head, &body.to_string())
    };
    let bob = json!({ "username": "bob", "password": "another horse, another battery" });
    post("/v1/subjects", bob.clone());
    let pair = post("/v1/login", bob);
    let secret = |name: &str| pair[name].as_str().unwrap().to_owned();
    let (access, refresh) = (secret("access_token"), secret("refresh_token"));
    let begun = post("/v1/factors/totp", json!({}));
    let seed = begun["secret"].as_str().unwrap().to_owned();
    let factor = &begun["factor"];
    post(
        "/v1/factors/totp/confirm",
        json!({ "factor": factor, "code": "canary-of-a-code" }),
    );
    post(
        "/v1/step-up",
        json!({ "method": "recovery", "code": "canary-of-a-code", "action": "keys:rotate" }),
    );
    let renewed = post("/v1/token/refresh", json!({ "refresh_token": refresh }));
    let successor = renewed["refresh_token"].as_str().unwrap().to_owned();
    for token in [&access, &refresh, &successor] {
        post("/v1/token/introspect", json!({ "token": token }));
        post("/v1/token/revoke", json!({ "token": token }));
        post("/v1/token/refresh", json!({ "refresh_token": token }));
        post("/v1/token/refresh", json!({ "refresh_tokens": token }));
        post("/v1/keys/verify", json!({ "key": token }));
    }

    let pid = child.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut log = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0), "{log}");
    assert!(lines.next().is_none());

    assert!(log.lines().count() > 9, "{log}");
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap();
        assert!(parsed["level"].is_string());
        assert!(line.len() < 4_096, "{line}");
    }
    assert!(
        log.contains("\"level\":\"DEBUG\""),
        "the log was asked for everything"
    );
    let kept = std::fs::read_to_string(folder.path().join("fountain.db.dev-secrets")).unwrap();
    for secret in kept
        .lines()
        .chain([key.as_str(), &access, &refresh, &successor])
        .chain([password.as_str(), &seed, "another horse"])
        .chain(["canary-of-a-guess", "canary-of-a-code"])
        .chain(["canary.in.header", "canary-in-a-path", pasted])
    {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn without_its_secrets_it_does_not_start_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said) = refused(&mut program(folder.path()));
    assert_eq!(status.code(), Some(2));
    for hint in [
        "FOUNTAIN_KEK is missing",
        "FOUNTAIN_PEPPER is missing",
        "openssl rand -base64 32",
    ] {
        assert!(said.contains(hint), "{said}");
    }
    let mut weak = program(folder.path());
    weak.env("FOUNTAIN_KEK", KEK).env("FOUNTAIN_PEPPER", KEK);
    let (status, said) = refused(&mut weak);
    assert_eq!(status.code(), Some(2));
    assert!(
        said.contains("are the same") && !said.contains(KEK),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn stores_and_settings_that_are_not_there_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, value: &str| {
        let mut command = program(folder.path());
        command
            .env("FOUNTAIN_KEK", KEK)
            .env("FOUNTAIN_PEPPER", PEPPER)
            .env(name, value);
        let (status, said) = refused(&mut command);
        assert_eq!(status.code(), Some(2), "{said}");
        said
    };
    for url in [
        "mysql://u:hunter2@h/db",
        "postgres://u:hunter2@h:port/db",
        "redis://:hunter2@h:port",
        "hunter2",
    ] {
        let said = with("FOUNTAIN_STORE", url);
        assert!(
            said.contains("FOUNTAIN_STORE is not acceptable: write "),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
    for name in [
        "FOUNTAIN_DELIVERY",
        "FOUNTAIN_LIMIT_API",
        "FOUNTAIN_REDIS_URL",
    ] {
        let said = with(name, "hunter2");
        assert!(said.contains(name) && !said.contains("hunter2"), "{said}");
    }
    assert!(with("FOUNTAIN_ACCESS_TTL", "10 minutes").contains("15m"));
    assert!(with("FOUNTAIN_SIGNING_ALG", "HS256").contains("EdDSA"));
    assert!(with("FOUNTAIN_LOCKOUT", "5").contains("5/15m"));
    assert!(with("FOUNTAIN_OTP_TTL", "11m").contains("10m"));
    let said = with("FOUNTAIN_DELIVERY", "console");
    assert!(said.contains("--dev alone"), "{said}");
}

#[test]
fn what_fountain_refuses_ends_with_1_and_its_hint() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command
        .env("FOUNTAIN_KEK", KEK)
        .env("FOUNTAIN_PEPPER", PEPPER)
        .env("FOUNTAIN_STORE", "memory")
        .env("FOUNTAIN_DELIVERY", "none")
        .env("FOUNTAIN_ACCESS_TTL", "2d");
    let (status, said) = refused(&mut command);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("not acceptable"), "{said}");
    // Of a password only why it is refused.
    command
        .env("FOUNTAIN_ACCESS_TTL", "10m")
        .env("FOUNTAIN_ADMIN_PASSWORD", "hunter2");
    let (status, said) = refused(&mut command);
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("too short") && !said.contains("hunter2"),
        "{said}"
    );
}

#[tokio::test]
async fn it_finds_its_keys_again_after_a_restart_and_bootstraps_no_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let (kek, pepper) = (folder.path().join("kek"), folder.path().join("pepper"));
    std::fs::write(&kek, KEK).unwrap();
    std::fs::write(&pepper, format!("{PEPPER}\n")).unwrap();
    let start = || {
        let mut command = program(folder.path());
        command
            .arg("--dev")
            // A token is of its issuer, and the port is another one each time.
            .env("FOUNTAIN_ISSUER", "https://auth.example.com")
            .env("FOUNTAIN_KEK_FILE", &kek)
            .env("FOUNTAIN_PEPPER_FILE", &pepper);
        let mut child = Running(command.spawn().unwrap());
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let (first, mut lines) = start();
    let password = event(&mut lines)["password"].as_str().unwrap().to_owned();
    let listening = event(&mut lines);
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    let signed_in = login(address, "admin", &password);
    let key = signed_in["access_token"].as_str().unwrap().to_owned();
    drop(first);
    let (_second, mut lines) = start();
    let listening = event(&mut lines);
    assert_eq!(listening["event"], "listening");
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    assert!(login(address, "admin", &password)["access_token"].is_string());
    let client = Client::new(address);
    let answer = client.get("/v1/keys", Some(&key)).await.unwrap();
    assert_eq!(answer.status, 200);
}

/// R-51, F-13: killed while guesses are under way, and started again: what was counted is.
#[test]
fn attempts_stay_counted_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = program(folder.path());
        command
            .arg("--dev")
            .env("FOUNTAIN_ADMIN_PASSWORD", "another horse, another battery");
        let mut child = Running(command.spawn().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let address = event(&mut lines)["address"].as_str().unwrap().to_owned();
        (child, address.parse().unwrap(), lines)
    };
    for _ in 0..5 {
        let (child, address, _lines) = start();
        // Counted before it is judged; nobody waits for what became of it.
        let mut stream = TcpStream::connect(address).unwrap();
        let body = json!({ "username": "admin", "password": "a guess" }).to_string();
        let head = "POST /v1/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let metrics = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let counted = || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(metrics.as_bytes()).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            said.contains("fountain_attempts_counted_total{kind=\"password\"} 1")
        };
        assert!((0..2_000).any(|_| counted()), "it was never counted");
        drop(child);
    }
    let (_child, address, _lines) = start();
    let locked = login(address, "admin", "another horse, another battery");
    assert_eq!(locked["code"], "authentication_failed", "{locked}");
}

/// a phone is confirmed by a code, asked for at the next login, and good for a step-up; a mailbox is none of it.
#[tokio::test]
async fn codes_go_through_the_delivery_and_through_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command
        .args(["--dev", "--store", "memory"])
        .env("FOUNTAIN_LIMIT_OTP", "4/10m");
    let mut child = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let password = event(&mut lines)["password"].as_str().unwrap().to_owned();
    let listening = event(&mut lines);
    let address: SocketAddr = listening["address"].as_str().unwrap().parse().unwrap();
    let post = |path: &str, token: &str, body: Value| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\n"
        );
        let head = match token {
            "" => head.replace("Authorization: Bearer \r\n", ""),
            _ => head,
        };
        raw(address, &head, &body.to_string())
    };
    let text = |answer: &Value, name: &str| {
        let text = answer[name].as_str();
        text.unwrap_or_else(|| panic!("{name}: {answer}"))
            .to_owned()
    };
    let admin = text(&login(address, "admin", &password), "access_token");
    let bob = json!({
        "username": "bob", "password": "another horse, another battery",
        "email": "bob@example.com", "phone": "+436641234567",
    });
    assert_eq!(post("/v1/subjects", &admin, bob)["id"], "bob");
    let sign_in = || login(address, "bob", "another horse, another battery");
    let token = text(&sign_in(), "access_token");

    // The mailbox first: it is confirmed, and asks for nothing.
    let sent = post("/v1/factors/codes", &token, json!({ "channel": "email" }));
    assert_eq!(sent["to"], "b***@example.com");
    let mail = event(&mut lines);
    assert_eq!(
        (&mail["event"], &mail["channel"], &mail["to"]),
        (&json!("otp"), &json!("email"), &json!("bob@example.com"))
    );
    let code = text(&mail, "code");
    assert!(!sent.to_string().contains(&code), "a code in the answer");
    let confirm = json!({ "challenge": sent["challenge"], "code": code });
    assert_eq!(
        post("/v1/factors/codes/confirm", &token, confirm),
        Value::Null
    );
    let token = text(&sign_in(), "access_token");

    let sent = post("/v1/factors/codes", &token, json!({ "channel": "sms" }));
    let sms = event(&mut lines);
    assert_eq!(
        (&sms["channel"], &sms["to"]),
        (&json!("sms"), &json!("+436641234567"))
    );
    let confirm = json!({ "challenge": sent["challenge"], "code": text(&sms, "code") });
    assert_eq!(
        post("/v1/factors/codes/confirm", &token, confirm.clone()),
        Value::Null
    );
    let notice = event(&mut lines);
    assert_eq!(notice["channel"], "email", "{notice}");
    let again = post("/v1/factors/codes/confirm", &token, confirm);
    assert_eq!(again["code"], "authentication_failed");

    // From now on a login asks for it. The cool-down holds a second code back, and the login goes on by the first.
    let asked = sign_in();
    assert_eq!(asked["second_factor"]["methods"], json!(["code"]));
    assert_eq!(asked["second_factor"]["channels"], json!(["sms"]));
    let challenge = &asked["second_factor"]["challenge"];
    let wish = json!({ "challenge": challenge, "method": "code", "channel": "sms" });
    let by_mail = json!({ "challenge": challenge, "method": "code", "channel": "email" });
    let refused = post("/v1/login/second-factor", "", by_mail);
    assert_eq!(refused["code"], "authentication_failed", "{refused}");
    let held = post("/v1/login/second-factor", "", wish);
    assert_eq!(held["code"], "rate_limited", "{held}");
}

#[test]
fn the_example_programs_of_signing_in_end_as_they_say() {
    for program in [
        env!("CARGO_BIN_EXE_totp_enrolment"),
        env!("CARGO_BIN_EXE_step_up"),
    ] {
        let output = Command::new(program).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && said.contains("all as expected"),
            "{said}"
        );
    }
}
