//! What the server says of itself, and whether a store may rely on it.

use crate::builder::OpenError;

/// What `INFO` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    version: Option<String>,
    role: Option<String>,
    policy: Option<String>,
    max_memory: Option<u64>,
    log: Option<bool>,
}

/// The first version that knows script flags, on which it rests that no replica answers.
const FIRST_VERSION: u32 = 7;

impl Server {
    pub(crate) fn of(info: &str) -> Self {
        let field = |name: &str| {
            info.lines()
                .filter_map(|line| line.trim_end().split_once(':'))
                .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
        };
        Self {
            version: field("redis_version"),
            role: field("role"),
            policy: field("maxmemory_policy"),
            max_memory: field("maxmemory").and_then(|bytes| bytes.parse().ok()),
            log: field("aof_enabled").map(|enabled| enabled == "1"),
        }
    }

    /// Refuses a server that would forget by itself, or is not the one that decides.
    pub(crate) fn check(
        &self,
        assumed_noeviction: bool,
        accepted_volatile: bool,
    ) -> Result<(), OpenError> {
        let major = |version: &String| version.split('.').next()?.parse::<u32>().ok();
        match &self.version {
            Some(version) if major(version).is_none_or(|major| major < FIRST_VERSION) => {
                return Err(OpenError::Version(version.clone()));
            }
            _ => {}
        }
        if self.role.as_deref().is_some_and(|role| role != "master") {
            return Err(OpenError::Replica);
        }
        match self.policy.as_deref() {
            Some("noeviction") => {}
            Some(policy) => return Err(OpenError::Evicts(policy.to_owned())),
            None if assumed_noeviction => {}
            None => return Err(OpenError::EvictionUnknown),
        }
        if !accepted_volatile {
            return Err(OpenError::Volatile {
                loses: self.loses(),
            });
        }
        self.warn();
        Ok(())
    }

    /// What a restart of it loses.
    const fn loses(&self) -> &'static str {
        match self.log {
            Some(true) => {
                "with its append-only file a restart loses what `appendfsync` had not written (up to a second, \
                 unless it is `always`), and a fail-over what no replica had"
            }
            Some(false) => {
                "without an append-only file a restart loses everything since the last snapshot, if there is one"
            }
            None => {
                "it does not say whether it has an append-only file, so that a restart may lose everything"
            }
        }
    }

    fn warn(&self) {
        if self.log == Some(false) {
            tracing::warn!(
                name: "fountain.store.volatile",
                "this Redis has no append-only file: a restart re-opens what was revoked since its last snapshot"
            );
        }
        if self.max_memory == Some(0) {
            tracing::warn!(
                name: "fountain.store.unbounded",
                "this Redis has no maxmemory: it grows until the machine ends it, instead of refusing in time"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:0123\r\n# Memory\r\nmaxmemory:1000\r\n\
        maxmemory_human:1K\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\nrole:master\r\n";

    #[test]
    fn a_sound_server_is_taken_when_the_host_says_so_in_words() {
        let server = Server::of(SOUND);
        assert!(server.check(false, true).is_ok());
        assert!(matches!(
            server.check(true, false),
            Err(OpenError::Volatile { loses }) if loses.contains("appendfsync")
        ));
    }

    /// R-107, F-19
    #[test]
    fn every_policy_that_evicts_is_refused_whatever_else_was_said() {
        for policy in [
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lrm",
        ] {
            let server = Server::of(&SOUND.replace("noeviction", policy));
            assert!(
                matches!(server.check(true, true), Err(OpenError::Evicts(named)) if named == policy)
            );
        }
    }

    #[test]
    fn a_server_that_hides_its_policy_needs_the_hosts_word() {
        let server = Server::of(&SOUND.replace("maxmemory_policy:noeviction\r\n", ""));
        assert!(matches!(
            server.check(false, true),
            Err(OpenError::EvictionUnknown)
        ));
        assert!(server.check(true, true).is_ok());
    }

    #[test]
    fn a_replica_and_an_old_server_are_refused() {
        let replica = Server::of(&SOUND.replace("role:master", "role:slave"));
        assert!(matches!(replica.check(true, true), Err(OpenError::Replica)));
        for version in ["6.2.14", "5.0.0", "", "x"] {
            let old = Server::of(&SOUND.replace("7.0.15", version));
            assert!(
                matches!(old.check(true, true), Err(OpenError::Version(named)) if named == version)
            );
        }
    }

    #[test]
    fn what_would_be_lost_is_said() {
        let without = Server::of(&SOUND.replace("aof_enabled:1", "aof_enabled:0"));
        assert!(without.loses().contains("last snapshot"));
        let silent = Server::of(&SOUND.replace("aof_enabled:1\r\n", ""));
        assert!(silent.loses().contains("everything"));
    }
}
