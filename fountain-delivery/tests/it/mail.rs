//! Mail servers: a real one, and one that breaks at a step.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

/// A certificate of 127.0.0.1 in PEM, and its key.
pub(crate) fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// aiosmtpd, in a process of its own.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    pub(crate) root: String,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl MailServer {
    /// Needs a Python with the packages of `tests/peers/requirements.txt`: `scripts/test` makes one.
    pub(crate) async fn start(mode: &str, dns: &[(String, String)], refuse: Option<u16>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "which Python is for scripts/test to say"
        )]
        let Ok(python) = std::env::var("FOUNTAIN_TEST_MAIL_PYTHON") else {
            panic!(
                "FOUNTAIN_TEST_MAIL_PYTHON names no Python with aiosmtpd and dkimpy to test against: run scripts/test, or \
                 install fountain-delivery/tests/peers/requirements.txt into a venv and name its python"
            );
        };
        let folder = tempfile::tempdir().unwrap();
        let (root, key) = certificate();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut given = json!({
            "mode": mode,
            "cert": write("cert.pem", &root),
            "key": write("key.pem", &key),
            "dns": dns.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "refuse": refuse,
        });
        if mode != "plain" {
            given["user"] = "shop".into();
            given["password"] = "hidden password".into();
        }
        let mut child = Command::new(python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/peers/mail_server.py"
            ))
            .arg(given.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = read(&mut lines).await["port"].as_u64().unwrap();
        Self {
            port: u16::try_from(port).unwrap(),
            root,
            lines,
            _child: child,
            _folder: folder,
        }
    }

    /// What the server says of the next message that it took.
    pub(crate) async fn message(&mut self) -> Value {
        read(&mut self.lines).await
    }

    /// It took none since.
    pub(crate) async fn no_message(&mut self) {
        let wait = std::time::Duration::from_millis(100);
        let line = tokio::time::timeout(wait, self.lines.next_line()).await;
        assert!(line.is_err(), "{line:?}");
    }
}

async fn read(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = lines.next_line().await.unwrap().expect("the server lives");
    serde_json::from_str(&line).unwrap()
}

/// Where a server is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    /// After the message.
    End,
    /// What follows the first message of a connection.
    SecondMail,
    Never,
}

/// A server that speaks as little SMTP as it needs, and breaks at one step.
pub(crate) struct Talk {
    pub(crate) port: u16,
    heard: Arc<Mutex<String>>,
    messages: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Talk {
    /// At the step it writes this answer instead of a good one; nothing, and it closes; `...`, and it stalls.
    pub(crate) async fn start(step: Step, answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let talk = Self {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            messages: Arc::default(),
            connections: Arc::default(),
        };
        let (heard, messages) = (Arc::clone(&talk.heard), Arc::clone(&talk.messages));
        let connections = Arc::clone(&talk.connections);
        let answer = answer.to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (heard, messages) = (Arc::clone(&heard), Arc::clone(&messages));
                let answer = answer.clone();
                tokio::spawn(async move { speak(stream, step, &answer, &heard, &messages).await });
            }
        });
        talk
    }

    pub(crate) fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    /// How many messages were heard to their end.
    pub(crate) fn messages(&self) -> usize {
        self.messages.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn speak(
    stream: TcpStream,
    broken: Step,
    answer: &str,
    heard: &Mutex<String>,
    messages: &AtomicUsize,
) {
    let mut stream = BufReader::new(stream);
    let mut step = Step::Greeting;
    let mut sent = false;
    loop {
        let good = match step {
            Step::Greeting => "220 mail.example.com\r\n",
            Step::Ehlo => "250-mail.example.com\r\n250 8BITMIME\r\n",
            Step::Data => "354 go on\r\n",
            _ => "250 2.0.0 Ok\r\n",
        };
        let said = if step == broken { answer } else { good };
        if said == "..." {
            let _ = stream.read_u8().await;
            return;
        }
        if said.is_empty() || stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        loop {
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if step != Step::Data || line.ends_with("\r\n.\r\n") {
                break;
            }
        }
        heard.lock().unwrap().push_str(&line);
        if step == Step::Data {
            messages.fetch_add(1, Ordering::SeqCst);
            step = Step::End;
            sent = true;
            continue;
        }
        step = match line.get(..4).unwrap_or_default() {
            _ if sent => Step::SecondMail,
            "EHLO" => Step::Ehlo,
            "MAIL" => Step::Mail,
            "RCPT" => Step::Rcpt,
            "DATA" => Step::Data,
            _ => Step::Never,
        };
        if step == Step::Never && broken != Step::Never {
            return;
        }
    }
}
