//! No server outlives its test, even one whose test was killed and never dropped anything.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Reads folders until its input ends, which is when this process ends, however that happens. Then it kills what
/// still works in one of them, and deletes it.
const GUARD: &str = r#"
trap '' INT TERM HUP
while IFS= read -r folder; do set -- "$@" "$folder"; done
for folder; do
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/cwd")" = "$folder/data" ]; then kill -KILL "${process#/proc/}"; fi
    done
    case $folder in */fountain-fault-*) rm -rf "$folder" ;; esac
done
"#;

/// Has this folder cleaned up behind this process.
pub(super) fn watch(folder: &Path) {
    static GUARD_PROCESS: Mutex<Option<Child>> = Mutex::new(None);
    let mut guard = GUARD_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let guard = guard.get_or_insert_with(start);
    let input = guard.stdin.as_mut().expect("its input is a pipe");
    writeln!(input, "{}", folder.display()).expect("the guard listens");
}

pub(super) fn start() -> Child {
    Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a shell")
}
