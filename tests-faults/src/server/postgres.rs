//! How PostgreSQL is found, set up and started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Server, on_the_path, run, write_private};

/// Debian keeps them off the `PATH`, in a folder per version: the newest, or whatever the `PATH` knows.
pub(super) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let newest = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").is_file())
        .max();
    newest
        .map(|(_, programs)| programs)
        .or_else(|| on_the_path("initdb"))
}

/// PostgreSQL refuses to run as root. `setpriv` becomes the program, so that its pid is the program's.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn give_away(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        run(Command::new("chown").args(["-R", "postgres:"]).arg(folder));
    }
}

pub(super) fn initialise(server: &Server) {
    let password = server.folder.path().join("password");
    write_private(&password, &server.secret);
    give_away(server.folder.path());
    run(unprivileged(&server.programs.join("initdb"))
        .arg("--pgdata")
        .arg(server.data())
        .arg("--pwfile")
        .arg(&password)
        .args(["--username=fountain", "--auth=scram-sha-256"])
        .args([
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
        ]));
    // The database that `createdb` would make of a running server.
    let mut single = unprivileged(&server.programs.join("postgres"));
    single
        .arg("--single")
        .arg("-D")
        .arg(server.data())
        .args(["-F", "template1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut single = single.spawn().expect("the server's program runs");
    let mut input = single.stdin.take().expect("its input is a pipe");
    std::io::Write::write_all(&mut input, b"CREATE DATABASE fountain;\n").expect("it reads");
    drop(input);
    assert!(single.wait().is_ok_and(|status| status.success()));
}

/// Where PostgreSQL looks for them by itself.
pub(super) fn certify(server: &Server, certificate: &str, key: &str) {
    write_private(&server.data().join("server.crt"), certificate);
    write_private(&server.data().join("server.key"), key);
    give_away(server.folder.path());
}

/// The data of a running server, for a standby of it.
pub(super) fn copy(primary: &Server, standby: &Server, follows: bool) {
    give_away(standby.folder.path());
    run(unprivileged(&primary.programs.join("pg_basebackup"))
        .env("PGPASSWORD", &primary.secret)
        .args(["--host=127.0.0.1", "--username=fountain"])
        .arg(format!("--port={}", primary.port))
        .args(["--checkpoint=fast", "--no-sync", "--wal-method=stream"])
        .arg("--pgdata")
        .arg(standby.data()));
    write_private(&standby.data().join("standby.signal"), "");
    if follows {
        // In a file, where `ps` does not show the password. The last line about a setting is the one that counts.
        let settings = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user=fountain password={}'\n",
            primary.port, primary.secret
        );
        write_private(&standby.data().join("postgresql.auto.conf"), &settings);
    }
    give_away(standby.folder.path());
}

pub(super) fn command(server: &Server) -> Command {
    let mut command = unprivileged(&server.programs.join("postgres"));
    command
        .arg("-D")
        .arg(server.data())
        .args(["-p", &server.port.to_string()])
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories="])
        // The data outlives a killed server, which tests do, and not a crash of the machine, which they do not.
        .args(["-c", "fsync=off"])
        .args(["-c", "shared_buffers=16MB"]);
    for setting in &server.settings {
        command.args(["-c", setting]);
    }
    command
}

pub(super) fn answers(server: &Server) -> bool {
    Command::new(server.programs.join("pg_isready"))
        .args(["--host=127.0.0.1", "--timeout=1", "--quiet"])
        .arg(format!("--port={}", server.port))
        .status()
        .is_ok_and(|status| status.success())
}
