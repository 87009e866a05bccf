//! Hashing a password.

use argon2::{Argon2, Block, Params};
use fountain_core::Secret;
use fountain_core::password::{PasswordCheck, Passwords};

use crate::world::block_on;
use crate::{Case, Group, Role, Target};

const PASSWORD: &str = "correct horse battery staple";

pub(super) fn verify(name: &'static str) -> Group {
    let blocks = Params::default().block_count();
    let mut reused = vec![Block::new(); blocks];
    let argon2 = Argon2::default();
    let argon2_again = argon2.clone();
    let hash = |argon2: &Argon2<'_>, blocks: &mut [Block]| {
        let mut tag = [0; 32];
        argon2
            .hash_password_into_with_memory(PASSWORD.as_bytes(), &[7; 16], &mut tag, blocks)
            .unwrap();
        tag
    };

    let passwords = Passwords::builder().workers(1).build().unwrap();
    let password = Secret::from(PASSWORD.to_owned());
    let stored = block_on(passwords.hash(&password)).unwrap();
    Group {
        name,
        target: Target::TimesLimit(1.1),
        cases: vec![
            Case::new(Role::Limit, "argon2, memory kept", move || {
                hash(&argon2, &mut reused)
            }),
            Case::new(Role::Peer, "argon2, fresh memory", move || {
                hash(&argon2_again, &mut vec![Block::new(); blocks])
            }),
            Case::new(Role::Ours, "Passwords::verify", move || {
                let check = block_on(passwords.verify(&password, Some(&stored))).unwrap();
                assert_eq!(check, PasswordCheck::Match);
            }),
        ],
    }
}
