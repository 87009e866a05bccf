//! In a program of its own, since what is measured is the memory of the whole process.

#![cfg(target_os = "linux")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use fountain_core::Secret;
use fountain_core::password::{PasswordCheck, Passwords};

/// A figure of `/proc/self/status`, in KiB.
fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// R-76, F-40: at OWASP's cost a hundred at once would take 1.9 GiB, if each had memory of its own.
#[tokio::test]
async fn a_hundred_parallel_logins_take_less_than_100_mib() {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let passwords = Passwords::builder()
        .workers(processors.min(4))
        .build()
        .unwrap();
    let secret = Secret::from(String::from("correct horse battery staple"));
    let base = status("VmRSS:").unwrap();
    let stored = Arc::new(passwords.hash(&secret).await.unwrap());

    let mut logins = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (passwords, secret, stored) = (passwords.clone(), secret.clone(), stored.clone());
        let known = number % 2 == 0;
        logins.spawn(async move {
            let stored = known.then_some(&*stored);
            let check = passwords.verify(&secret, stored).await.unwrap();
            assert_eq!(check == PasswordCheck::Match, known);
        });
    }
    assert_eq!(logins.join_all().await.len(), 100);

    let grown = status("VmHWM:").unwrap().saturating_sub(base) / 1_024;
    assert!(grown < 100, "{grown} MiB");
    // And the figure is one of what was done: one hash alone takes 19 MiB.
    assert!(grown >= 18, "{grown} MiB");
}
