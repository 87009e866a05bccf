use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::timeout;

use super::*;

const LATE: Duration = Duration::from_secs(10);

async fn sql(server: &Server, text: &'static str) -> Result<String, sqlx::Error> {
    let mut link = PgConnection::connect(&server.url()).await?;
    link.fetch_one(text).await?.try_get(0)
}

/// One row, so that a server that forgets is found out.
async fn remember(server: &Server) {
    let text = "WITH made AS (SELECT set_config('a.b', '1', false)) SELECT * FROM made";
    sql(server, text).await.unwrap();
    let mut link = PgConnection::connect(&server.url()).await.unwrap();
    link.execute("CREATE TABLE kept AS SELECT 'here' AS word")
        .await
        .unwrap();
}

async fn remembered(server: &Server) -> Option<String> {
    sql(server, "SELECT word FROM kept").await.ok()
}

#[tokio::test]
async fn postgres_keeps_port_and_data_however_it_ends() {
    let mut server = Server::postgres(&[]).await;
    let address = server.address();
    remember(&server).await;
    server.stop().await;
    assert!(remembered(&server).await.is_none());
    server.start().await;
    assert_eq!(remembered(&server).await.unwrap(), "here");
    server.stop_immediately().await;
    server.start().await;
    assert_eq!(remembered(&server).await.unwrap(), "here");
    server.kill().await;
    server.start().await;
    assert_eq!(remembered(&server).await.unwrap(), "here");
    assert_eq!(server.address(), address);
    server.kill().await;
    server.wipe();
    server.start().await;
    assert!(remembered(&server).await.is_none());
    assert!(sql(&server, "SELECT 'empty'").await.is_ok());
}

#[tokio::test]
async fn a_frozen_postgres_answers_nobody_until_it_thaws() {
    let server = Server::postgres(&["max_connections=20"]).await;
    let mut link = PgConnection::connect(&server.url()).await.unwrap();
    server.freeze();
    {
        let mut asked = std::pin::pin!(link.fetch_one("SELECT 1"));
        let short = Duration::from_millis(300);
        assert!(timeout(short, asked.as_mut()).await.is_err());
        assert!(timeout(short, sql(&server, "SELECT '1'")).await.is_err());
        server.thaw();
        timeout(LATE, asked).await.unwrap().unwrap();
    }
    let set = sql(&server, "SHOW max_connections").await.unwrap();
    assert_eq!(set, "20");
}

#[tokio::test]
async fn a_standby_follows_late_and_writes_nothing() {
    let primary = Server::postgres(&[]).await;
    let standby = primary.standby(Duration::from_secs(1)).await;
    remember(&primary).await;
    assert!(remembered(&standby).await.is_none());
    let (word, took) = within("it follows", LATE, async || remembered(&standby).await).await;
    assert_eq!(word, "here");
    assert!(took > Duration::from_millis(500), "{took:?}");
    let mut link = PgConnection::connect(&standby.url()).await.unwrap();
    let refused = link.execute("CREATE TABLE mine ()").await.unwrap_err();
    let code = refused
        .as_database_error()
        .and_then(|error| error.code().map(String::from));
    assert_eq!(code.as_deref(), Some("25006"));
}

#[tokio::test]
async fn redis_starts_empty_and_keeps_what_its_settings_tell_it_to() {
    let mut server = Server::redis(&[]).await;
    assert_eq!(redis_says(&server, "SET a 1").await, "+OK");
    server.freeze();
    assert!(
        timeout(Duration::from_millis(300), redis_says(&server, "PING"))
            .await
            .is_err()
    );
    server.thaw();
    server.kill().await;
    server.start().await;
    assert_eq!(redis_says(&server, "GET a").await, "$-1");

    let settings = ["appendonly yes", "appendfsync always"];
    let mut server = Server::redis(&settings).await;
    assert_eq!(redis_says(&server, "SET a 1").await, "+OK");
    server.kill().await;
    server.start().await;
    assert_eq!(redis_says(&server, "GET a").await, "$1");
    server.stop().await;
    server.wipe();
    server.start().await;
    assert_eq!(redis_says(&server, "GET a").await, "$-1");
}

async fn redis_says(server: &Server, command: &str) -> String {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
    let link = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    let mut link = BufStream::new(link);
    let text = format!("AUTH {}\r\n{command}\r\n", server.secret);
    link.write_all(text.as_bytes()).await.unwrap();
    link.flush().await.unwrap();
    let mut lines = link.lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "+OK");
    lines.next_line().await.unwrap().unwrap()
}

#[tokio::test]
async fn nothing_is_left_of_a_server_that_is_dropped_even_a_frozen_one() {
    for frozen in [false, true] {
        let server = Server::postgres(&[]).await;
        let (pids, folder) = (server.members(), server.folder.path().to_owned());
        assert!(pids.len() > 3, "{pids:?}");
        if frozen {
            server.freeze();
        }
        drop(server);
        assert!(!folder.exists());
        within("all of its processes are gone", LATE, async || {
            let left = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok();
            (!pids.iter().any(left)).then_some(())
        })
        .await;
    }
}

/// What the guard is for: a test process that is killed drops nothing.
#[tokio::test]
async fn what_a_killed_test_left_behind_is_cleaned_up() {
    let programs = redis::programs().expect(MISSING_REDIS);
    let mut guarding = guard::start();
    let folder = tempfile::Builder::new()
        .prefix("fountain-fault-")
        .tempdir()
        .unwrap()
        .keep()
        .canonicalize()
        .unwrap();
    fs::create_dir(folder.join("data")).unwrap();
    let mut left = Command::new(programs.join("redis-server"))
        .args(["--port", "0", "--save", ""])
        .current_dir(folder.join("data"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = guarding.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, format!("{}\n", folder.display()).as_bytes()).unwrap();
    assert!(left.try_wait().unwrap().is_none());
    drop(input);
    assert!(guarding.wait().unwrap().success());
    assert!(!folder.exists());
    within("it is killed", LATE, async || left.try_wait().unwrap()).await;
}
