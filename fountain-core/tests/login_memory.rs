//! In a program of its own, since what is measured is the memory of the whole process.

#![cfg(target_os = "linux")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use fountain_core::access::{Authority, Role, RoleCatalog};
use fountain_core::identity::ClientId;
use fountain_core::login::{LoginAttempt, LoginName, LoginOutcome, NewCredential, SignIn};
use fountain_core::memory::MemoryStore;
use fountain_core::password::Passwords;
use fountain_core::seal::LocalKeys;
use fountain_core::{Fountain, OsRandom, Pepper, Reason, Secret, Subject, Tenant};

const GOOD: &str = "four words nobody else picked";

/// A figure of `/proc/self/status`, in KiB.
fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

/// R-76, F-40: known and unknown names, right and wrong passwords, and none of them more than the workers' memory.
#[tokio::test]
async fn a_hundred_parallel_sign_ins_take_less_than_100_mib() {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let passwords = Passwords::builder()
        .workers(processors.min(4))
        .build()
        .unwrap();
    let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(
            RoleCatalog::builder()
                .permissions(["orders:read"])
                .role(Role::new("clerk").grant("orders:read"))
                .build()
                .unwrap(),
        )
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom)).unwrap()))
        .sign_in(
            SignIn::builder(Pepper::new(&[7; 32]))
                .service_name("Example Shop")
                .passwords(passwords),
        )
        .build()
        .await
        .unwrap();
    let base = status("VmRSS:").unwrap();
    let login = fountain.sign_in().unwrap().login();
    let tenant = Tenant::default();
    for number in 0..4 {
        let subject = Subject::new(format!("u-{number}")).unwrap();
        let subjects = fountain.subjects();
        let registered = subjects.register(Authority::System, &tenant, &subject, ["clerk"]);
        registered.await.unwrap();
        let name = LoginName::new(format!("p{number}@example.com")).unwrap();
        let new = NewCredential::new(subject, name, secret(GOOD));
        login.register(Authority::System, new).await.unwrap();
    }

    let mut logins = tokio::task::JoinSet::new();
    for number in 0..100_u32 {
        let login = login.clone();
        logins.spawn(async move {
            // Four right passwords of four people, four wrong ones, and names that nobody has.
            let (name, password, expected) = match number {
                0..4 => (number, GOOD, None),
                4..8 => (number - 4, "a guess", Some(Reason::PasswordWrong)),
                _ => (number, GOOD, Some(Reason::LoginUnknown)),
            };
            let name = format!("p{name}@example.com");
            let client = ClientId::new("web").unwrap();
            let outcome = login.begin(LoginAttempt::new(name, secret(password), client));
            let refused = match outcome.await {
                Ok(LoginOutcome::SignedIn(_)) => None,
                Ok(LoginOutcome::SecondFactor(_)) => panic!("no factor is enrolled"),
                Err(error) => Some(error.rejection().reason()),
            };
            assert_eq!(refused, expected);
        });
    }
    assert_eq!(logins.join_all().await.len(), 100);

    let grown = status("VmHWM:").unwrap().saturating_sub(base) / 1_024;
    assert!(grown < 100, "{grown} MiB");
    // And the figure is one of what was done: one hash alone takes 19 MiB.
    assert!(grown >= 18, "{grown} MiB");
}
