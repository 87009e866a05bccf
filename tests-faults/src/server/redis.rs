//! How Redis is found, set up and started.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Server, ServerKind, on_the_path, run, write_private};

pub(super) fn programs() -> Option<PathBuf> {
    on_the_path("redis-server")
}

pub(super) fn initialise(server: &Server) {
    fs::create_dir(server.data()).expect("the folder is empty");
}

pub(super) fn command(server: &Server) -> Command {
    let configuration = server.folder.path().join("redis.conf");
    let mut text = format!(
        "port {}\nbind 127.0.0.1\ndir {}\nrequirepass {}\n",
        server.port,
        server.data().display(),
        server.secret,
    );
    if server.kind == ServerKind::Redis {
        text.push_str("save \"\"\nappendonly no\nmaxmemory-policy noeviction\n");
    }
    for setting in &server.settings {
        text.push_str(setting);
        text.push('\n');
    }
    write_private(&configuration, &text);
    let mut command = Command::new(server.programs.join("redis-server"));
    command.arg(configuration).current_dir(server.data());
    if server.kind == ServerKind::Sentinel {
        command.arg("--sentinel");
    }
    command
}

/// Makes a cluster of six servers, half of them replicas.
pub(super) fn join(nodes: &[Server]) {
    let Some(first) = nodes.first() else { return };
    let mut command = Command::new(first.programs.join("redis-cli"));
    command
        .env("REDISCLI_AUTH", &first.secret)
        .args(["--cluster", "create"])
        .args(nodes.iter().map(|node| node.address().to_string()))
        .args(["--cluster-replicas", "1", "--cluster-yes"]);
    run(&mut command);
}

/// One that still loads its data does not answer yet.
pub(super) async fn answers(server: &Server) -> bool {
    let question = format!("AUTH {}\r\nPING\r\n", server.secret);
    let ask = async {
        let mut link = TcpStream::connect(server.address()).await?;
        link.write_all(question.as_bytes()).await?;
        let mut said = [0; 12];
        link.read_exact(&mut said).await?;
        std::io::Result::Ok(said)
    };
    ask.await.is_ok_and(|said| &said == b"+OK\r\n+PONG\r\n")
}
