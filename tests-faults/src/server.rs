//! A server of a test's own, to be stopped, killed, frozen and started again.

use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::time::within;

mod guard;
mod postgres;
mod redis;

#[cfg(test)]
mod tests;

/// How long a server may take to start or to stop: 30 s.
const PATIENCE: Duration = Duration::from_secs(30);

const MISSING_POSTGRES: &str = "the fault tests start PostgreSQL, which is not installed here: scripts/test installs it, as root on Debian";
const MISSING_REDIS: &str = "the fault tests start Redis, which is not installed here: scripts/test installs it, as root on Debian";

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// A Sentinel, which watches over a Redis.
    Sentinel,
}

/// A real server on a free loopback port, with data of its own. Gone, with its data, when dropped.
///
/// Nothing but its own processes is ever signalled: they are those whose working directory is its data folder.
pub struct Server {
    kind: ServerKind,
    port: u16,
    secret: String,
    settings: Vec<String>,
    folder: TempDir,
    programs: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A PostgreSQL that answers, with a superuser `fountain` and an empty database `fountain`. `settings` are `name=value`.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub async fn postgres(settings: &[&str]) -> Self {
        let programs = postgres::programs().expect(MISSING_POSTGRES);
        Self::started(ServerKind::Postgres, programs, settings).await
    }

    /// As [`postgres`](Self::postgres), speaking TLS with this certificate and its private key, both as PEM.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub async fn postgres_with_certificate(certificate: &str, key: &str) -> Self {
        let programs = postgres::programs().expect(MISSING_POSTGRES);
        let settings = vec!["ssl=on".to_owned()];
        let server = Self::empty(ServerKind::Postgres, programs, settings, random_hex());
        server.fill();
        postgres::certify(&server, certificate, key);
        server.up().await
    }

    /// A Redis that answers, with a password. It keeps nothing, unless `settings`, lines of its configuration, say otherwise.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub async fn redis(settings: &[&str]) -> Self {
        let programs = redis::programs().expect(MISSING_REDIS);
        Self::started(ServerKind::Redis, programs, settings).await
    }

    /// A Redis that follows this one, and has this one's password.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn replica(&self) -> Self {
        assert_eq!(self.kind, ServerKind::Redis, "only Redis has one");
        let settings = vec![
            format!("replicaof 127.0.0.1 {}", self.port),
            format!("masterauth {}", self.secret),
        ];
        let programs = self.programs.clone();
        let replica = Self::empty(self.kind, programs, settings, self.secret.clone());
        replica.fill();
        replica.up().await
    }

    /// A Sentinel that watches over this Redis and its replicas under the name `fountain`, and puts a replica in its place
    /// half a second after it is gone. It has this one's password.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn sentinel(&self) -> Self {
        assert_eq!(self.kind, ServerKind::Redis, "only Redis has one");
        let settings = vec![
            format!("sentinel monitor fountain 127.0.0.1 {} 1", self.port),
            format!("sentinel auth-pass fountain {}", self.secret),
            "sentinel down-after-milliseconds fountain 500".to_owned(),
            "sentinel failover-timeout fountain 3000".to_owned(),
        ];
        let (kind, programs) = (ServerKind::Sentinel, self.programs.clone());
        let sentinel = Self::empty(kind, programs, settings, self.secret.clone());
        sentinel.fill();
        sentinel.up().await
    }

    /// A Redis cluster of three primaries, each with one replica: six servers with one password. Who fails is replaced about
    /// two seconds later.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub async fn redis_cluster() -> Vec<Self> {
        let programs = redis::programs().expect(MISSING_REDIS);
        let secret = random_hex();
        let mut nodes = Vec::new();
        for _ in 0..6 {
            let settings = vec![
                "cluster-enabled yes".to_owned(),
                "cluster-node-timeout 1000".to_owned(),
                "repl-diskless-sync-delay 0".to_owned(),
                format!("masterauth {secret}"),
            ];
            let (kind, programs) = (ServerKind::Redis, programs.clone());
            let node = Self::empty(kind, programs, settings, secret.clone());
            node.fill();
            nodes.push(node.up().await);
        }
        redis::join(&nodes);
        nodes
    }

    /// A read-only PostgreSQL that follows this one, `delay` late.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn standby(&self, delay: Duration) -> Self {
        let setting = format!("recovery_min_apply_delay={}ms", delay.as_millis());
        self.copied(vec![setting], true).await
    }

    /// A read-only PostgreSQL that has all of this one's data and hears of nothing that happens from now on.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn standby_left_behind(&self) -> Self {
        self.copied(Vec::new(), false).await
    }

    async fn copied(&self, settings: Vec<String>, follows: bool) -> Self {
        assert_eq!(self.kind, ServerKind::Postgres, "only PostgreSQL has one");
        let (kind, programs) = (self.kind, self.programs.clone());
        let standby = Self::empty(kind, programs, settings, self.secret.clone());
        postgres::copy(self, &standby, follows);
        standby.up().await
    }

    async fn started(kind: ServerKind, programs: PathBuf, settings: &[&str]) -> Self {
        let settings = settings.iter().map(ToString::to_string).collect();
        let server = Self::empty(kind, programs, settings, random_hex());
        server.fill();
        server.up().await
    }

    /// A folder, no data, no process.
    fn empty(kind: ServerKind, programs: PathBuf, settings: Vec<String>, secret: String) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fountain-fault-")
            .tempdir_in(parent_folder())
            .expect("a temporary folder can be made");
        guard::watch(folder.path());
        Self {
            kind,
            port: 0,
            secret,
            settings,
            folder,
            programs,
            child: None,
        }
    }

    /// What is there before the first start.
    fn fill(&self) {
        match self.kind {
            ServerKind::Postgres => postgres::initialise(self),
            ServerKind::Redis | ServerKind::Sentinel => redis::initialise(self),
        }
    }

    /// The first start: another program may take the port between our look and the server's.
    async fn up(mut self) -> Self {
        let mut said = String::new();
        for _ in 0..3 {
            self.port = free_port();
            match self.launch().await {
                Ok(()) => return self,
                Err(log) => said = log,
            }
        }
        panic!("{:?} does not start:\n{said}", self.kind);
    }

    /// Starts it again, on the same port and data; returns once it answers.
    ///
    /// # Panics
    /// When it runs already, or does not start.
    pub async fn start(&mut self) {
        if let Err(log) = self.launch().await {
            panic!("{:?} does not start again:\n{log}", self.kind);
        }
    }

    /// Starts it again without waiting that it answers.
    ///
    /// # Panics
    /// When it runs already.
    pub fn begin_start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the log can be opened");
        let mut command = match self.kind {
            ServerKind::Postgres => postgres::command(self),
            ServerKind::Redis | ServerKind::Sentinel => redis::command(self),
        };
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log);
        self.child = Some(command.spawn().expect("the server's program runs"));
    }

    async fn launch(&mut self) -> Result<(), String> {
        self.begin_start();
        let (up, _) = within("the server answers", PATIENCE, async || {
            if self.has_ended() {
                return Some(false);
            }
            self.answers().await.then_some(true)
        })
        .await;
        if up {
            return Ok(());
        }
        self.child = None;
        Err(fs::read_to_string(self.log()).unwrap_or_default())
    }

    /// Whether it answers, which a frozen one does not.
    async fn answers(&self) -> bool {
        match self.kind {
            ServerKind::Postgres => postgres::answers(self),
            ServerKind::Redis | ServerKind::Sentinel => redis::answers(self).await,
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Stops it in good order: running work is broken off, connections are closed, data is written.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        // SIGINT is a fast shutdown to PostgreSQL and an ordinary one to Redis.
        self.end(Signal::INT).await;
    }

    /// Stops PostgreSQL at once, without writing anything: it recovers from its log at the next start.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop_immediately(&mut self) {
        self.end(Signal::QUIT).await;
    }

    /// Kills it, all of its processes at once, as a crash of the machine would.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn kill(&mut self) {
        self.signal(Signal::STOP);
        self.end(Signal::KILL).await;
    }

    /// Freezes it, all of its processes: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Goes on where it was frozen.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Deletes the data of a stopped server: the next start is one of an empty server.
    ///
    /// # Panics
    /// When it runs.
    pub fn wipe(&self) {
        assert!(self.child.is_none(), "it still runs");
        fs::remove_dir_all(self.data()).expect("the data can be deleted");
        self.fill();
    }

    async fn end(&mut self, signal: Signal) {
        let Some(child) = self.child.as_mut() else {
            return;
        };
        if signal == Signal::KILL {
            self.signal(signal);
        } else {
            // The first process tells the others.
            send(child.id(), signal);
        }
        within("the server ends", PATIENCE, async || {
            (self.has_ended() && self.members().is_empty()).then_some(())
        })
        .await;
        self.child = None;
    }

    /// The first process first, so that no new one appears once it is frozen.
    fn signal(&self, signal: Signal) {
        let first = self.child.as_ref().map(Child::id);
        if let Some(first) = first {
            send(first, signal);
        }
        for member in self.members() {
            if Some(member) != first {
                send(member, signal);
            }
        }
    }

    /// Its processes: they work in its data folder, which is nobody else's.
    fn members(&self) -> Vec<u32> {
        let data = self.data();
        let entries = fs::read_dir("/proc").expect("there is a /proc: the fault tests need Linux");
        entries
            .flatten()
            .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The password of its only user.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// How to reach it directly.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_through(self.address())
    }

    /// How to reach it through something that listens at `address`, such as a [`Proxy`](crate::Proxy).
    #[must_use]
    pub fn url_through(&self, address: SocketAddr) -> String {
        let secret = &self.secret;
        match self.kind {
            ServerKind::Postgres => format!("postgres://fountain:{secret}@{address}/fountain"),
            ServerKind::Redis | ServerKind::Sentinel => {
                format!("redis://default:{secret}@{address}/0")
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("kind", &self.kind)
            .field("port", &self.port)
            .field("folder", &self.folder.path())
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.signal(Signal::STOP);
            // Its whole family is frozen: nobody can be born between the look and the kill.
            for member in self.members() {
                send(member, Signal::KILL);
            }
            send(child.id(), Signal::KILL);
            let _ = child.wait();
        }
    }
}

/// A process that has gone already needs no signal.
fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Where data is kept: in memory where there is room for it, since a disk that others use makes servers slow to start.
fn parent_folder() -> PathBuf {
    const ENOUGH: u64 = 1 << 30;
    let memory = PathBuf::from("/dev/shm");
    let roomy = statvfs(&memory).is_ok_and(|free| free.f_bavail * free.f_frsize >= ENOUGH);
    let parent = if roomy { memory } else { std::env::temp_dir() };
    // As the kernel names it, so that working directories can be compared with it.
    parent
        .canonicalize()
        .expect("there is a folder for temporary files")
}

/// The folder of the `PATH` that holds a program.
fn on_the_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join(program).is_file())
}

/// A loopback port that nothing listens on, below the kernel's range for outgoing connections: such a connection
/// must not take it while the server is down.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = 10_000 + u16::from_le_bytes(random()) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn random_hex() -> String {
    let bytes: [u8; 16] = random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .expect("there is randomness");
    bytes
}

/// Runs a program to its end.
fn run(command: &mut Command) {
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A text file that only its owner reads: it may hold a password.
fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("the file can be written");
}
