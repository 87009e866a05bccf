//! The scripts, and how one is called.
//!
//! Each script is one atomic step of the server. It is known there by its SHA-1; a server that does not know it, since it
//! was restarted or told to forget, has not begun anything, and is sent the text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use fountain_core::audit::AuditEvent;
use fountain_core::{StoreError, StoreErrorKind, Tenant};
use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};
use serde::Serialize;

use crate::link::in_time;
use crate::store::Shared;

/// A script's text and its SHA-1.
#[derive(Debug)]
pub(crate) struct Script {
    text: &'static str,
    sha: LazyLock<String>,
}

impl Script {
    const fn new(text: &'static str, sha: fn() -> String) -> Self {
        Self {
            text,
            sha: LazyLock::new(sha),
        }
    }
}

/// Declares scripts, each put together from the files that are named.
macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)+) => {
        $(
            pub(crate) static $name: Script = {
                const TEXT: &str = concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+);
                Script::new(TEXT, || redis::Script::new(TEXT).get_hash().to_owned())
            };
        )+

        #[cfg(test)]
        pub(crate) static ALL: &[(&str, &Script)] = &[$((stringify!($name), &$name)),+];
    };
}

scripts! {
    OPEN = "read" "common" "open";
    HEAD = "read" "common" "feed" "head";
    SINCE = "read" "common" "feed" "since";
    RECORD = "change" "common" "trail" "record";
    RECORD_ALL = "change" "common" "trail" "record_all";
    AUDIT_PAGE = "read" "common" "audit_page";
    KEY_INSERT = "change" "common" "trail" "api_key" "api_key_insert";
    KEY_FIND = "read" "api_key_find";
    KEY_FIND_BY_DIGEST = "read" "api_key_find_by_digest";
    KEY_PAGE = "read" "common" "api_key_page";
    KEY_ROTATE = "change" "common" "trail" "api_key" "api_key_rotate";
    KEY_CHANGE = "change" "common" "trail" "api_key" "api_key_change";
    KEY_USE = "change" "common" "api_key_use";
    KEY_PURGE = "purge" "common" "api_key_purge";
    RING = "read" "ring";
    RING_APPLY = "change" "common" "trail" "ring_apply";
    FAMILY_INSERT = "change" "common" "trail" "family" "family_insert";
    FAMILY_FIND = "read" "common" "family" "family_find";
    FAMILY_REVOKE = "change" "common" "trail" "revocation" "family" "family_revoke";
    FAMILY_PURGE = "purge" "common" "family_purge";
    TOKEN_ROTATE = "change" "token_rotate";
    TOKEN_USE = "change" "common" "trail" "revocation" "family" "token_use";
    SUBJECT_REVOKE = "change" "common" "trail" "revocation" "family" "subject_revoke";
    REVOCATION_ADD = "change" "common" "trail" "revocation" "revocation_add";
    REVOCATION_FIND = "read" "revocation_find";
    REVOCATION_PURGE = "purge" "common" "revocation_purge";
    SUBJECT_INSERT = "change" "common" "trail" "subject" "subject_insert";
    SUBJECT_FIND = "read" "subject_find";
    SUBJECT_CHANGE = "change" "common" "trail" "subject" "subject_change";
    CREDENTIAL_INSERT = "change" "common" "trail" "credential" "credential_insert";
    CREDENTIAL_FIND = "read" "common" "credential_find";
    CREDENTIAL_FIND_SUBJECT = "read" "common" "credential_find_subject";
    CREDENTIAL_REPLACE = "change" "common" "trail" "credential" "credential_replace";
    CREDENTIAL_REMOVE = "change" "common" "trail" "credential" "credential_remove";
    FACTOR_INSERT = "change" "common" "trail" "factor" "factor_insert";
    FACTOR_FIND = "read" "common" "factor_find";
    FACTOR_LIST = "read" "common" "factor_list";
    FACTOR_CHANGE = "change" "common" "trail" "factor" "factor_change";
    FACTOR_REMOVE = "change" "common" "trail" "factor" "factor_remove";
    FACTOR_PURGE = "purge" "common" "factor_purge";
    RECOVERY_REPLACE = "change" "common" "trail" "recovery_replace";
    RECOVERY_TAKE = "change" "common" "trail" "recovery_take";
    RECOVERY_COUNT = "read" "common" "recovery_count";
    CHALLENGE_INSERT = "change" "common" "trail" "challenge" "challenge_insert";
    CHALLENGE_FIND = "read" "common" "challenge_find";
    CHALLENGE_CHANGE = "change" "common" "trail" "challenge" "challenge_change";
    CHALLENGE_PURGE = "purge" "common" "challenge_purge";
    LOCKOUT_ATTEMPT = "change" "common" "trail" "lockout" "lockout_attempt";
    LOCKOUT_FIND = "read" "common" "lockout_find";
    LOCKOUT_CLEAR = "change" "common" "trail" "lockout_clear";
    BUDGET_TAKE = "change" "common" "trail" "budget_take";
    LOCKOUT_PURGE = "purge" "common" "lockout_purge";
}

/// A key of the store. All have its hash tag, so that they are in one slot of a cluster and one step can change them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Meta,
    Changes,
    Events,
    ApiKeys,
    ApiKeyPages,
    ApiKeyEnds,
    ApiKeyDigests,
    SigningKeys,
    Families,
    FamilyEnds,
    FamilySubjects,
    RefreshTokens,
    Revocations,
    RevocationEnds,
    Subjects,
    Holders,
    Credentials,
    Factors,
    FactorSubjects,
    FactorEnds,
    RecoveryCodes,
    Challenges,
    ChallengeEnds,
    Lockouts,
    LockoutEnds,
    Budgets,
    BudgetEnds,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Changes => "changes",
            Self::Events => "events",
            Self::ApiKeys => "api_keys",
            Self::ApiKeyPages => "api_keys:pages",
            Self::ApiKeyEnds => "api_keys:ends",
            Self::ApiKeyDigests => "api_keys:digests",
            Self::SigningKeys => "signing_keys",
            Self::Families => "families",
            Self::FamilyEnds => "families:ends",
            Self::FamilySubjects => "families:subjects",
            Self::RefreshTokens => "refresh_tokens",
            Self::Revocations => "revocations",
            Self::RevocationEnds => "revocations:ends",
            Self::Subjects => "subjects",
            Self::Holders => "subjects:holders",
            Self::Credentials => "credentials",
            Self::Factors => "factors",
            Self::FactorSubjects => "factors:subjects",
            Self::FactorEnds => "factors:ends",
            Self::RecoveryCodes => "recovery_codes",
            Self::Challenges => "challenges",
            Self::ChallengeEnds => "challenges:ends",
            Self::Lockouts => "lockouts",
            Self::LockoutEnds => "lockouts:ends",
            Self::Budgets => "budgets",
            Self::BudgetEnds => "budgets:ends",
        }
    }
}

/// One call of a script, being put together.
#[must_use]
pub(crate) struct Call<'s> {
    shared: &'s Shared,
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Cow<'s, [u8]>>,
}

impl<'s> Call<'s> {
    pub(crate) const fn new(shared: &'s Shared, script: &'static Script) -> Self {
        Self {
            shared,
            script,
            keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// The keys of these tables, behind what is there.
    pub(crate) fn tables<const N: usize>(mut self, tables: [Table; N]) -> Self {
        let tag = &self.shared.tag;
        self.keys
            .extend(tables.map(|table| format!("{tag}:{}", table.name())));
        self
    }

    /// The key of a tenant's trail.
    pub(crate) fn trail(mut self, tenant: &Tenant) -> Self {
        self.keys
            .push(format!("{}:audit:{tenant}", self.shared.tag));
        self
    }

    pub(crate) fn arg(mut self, argument: impl Into<Cow<'s, [u8]>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A text as an argument.
    pub(crate) fn text(self, text: impl Into<Cow<'s, str>>) -> Self {
        self.arg(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// What `trail.lua` wants first: the keys and arguments that every change with this event has.
    pub(crate) fn change(self, event: &AuditEvent) -> Result<Self, StoreError> {
        let shared = self.shared;
        self.tables([Table::Meta, Table::Changes, Table::Events])
            .text(shared.feed_length.to_string())
            .text(&*shared.channel)
            .event(event)
    }

    /// One more event that may be recorded.
    pub(crate) fn event(self, event: &AuditEvent) -> Result<Self, StoreError> {
        let text = json(event)?;
        Ok(self
            .trail(&event.tenant)
            .text(event.id.as_str().to_owned())
            .text(text))
    }

    /// More events for `record_all.lua`, behind the one of [`Call::change`]: each with the number of its tenant's trail.
    pub(crate) fn more_events(
        self,
        first: &AuditEvent,
        more: &[AuditEvent],
    ) -> Result<Self, StoreError> {
        // Lua counts from one: the first event's trail is the last key so far.
        let mut trails = HashMap::from([(&first.tenant, self.keys.len())]);
        let mut call = self;
        for event in more {
            let trail = match trails.get(&event.tenant) {
                Some(trail) => *trail,
                None => {
                    call = call.trail(&event.tenant);
                    trails.insert(&event.tenant, call.keys.len());
                    call.keys.len()
                }
            };
            call = call
                .text(trail.to_string())
                .text(event.id.as_str().to_owned())
                .text(json(event)?);
        }
        Ok(call)
    }

    /// Calls a script that changes something, once. When the connection is lost nobody knows whether it was carried out,
    /// so it is not sent again.
    pub(crate) async fn write(self) -> Result<Value, StoreError> {
        in_time(self.shared.patience, self.ask()).await
    }

    /// Calls a script that only looks. A connection that turns out to be gone is given a second chance, in the same time.
    pub(crate) async fn read(self) -> Result<Value, StoreError> {
        in_time(self.shared.patience, async {
            match self.ask().await {
                Err(error) if error.is_connection_dropped() => self.ask().await,
                answer => answer,
            }
        })
        .await
    }

    async fn ask(&self) -> RedisResult<Value> {
        let link = &self.shared.link;
        let answer = link.ask(&self.command("EVALSHA", &self.script.sha)).await;
        match answer {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // Loads it as well, on the server that holds the keys.
                link.ask(&self.command("EVAL", self.script.text)).await
            }
            answer => answer,
        }
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = Cmd::new();
        command.arg(verb).arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in &self.arguments {
            command.arg(&**argument);
        }
        command
    }
}

/// JSON for a record.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The commands that a script runs.
    fn commands(text: &str) -> impl Iterator<Item = String> {
        text.split("call('")
            .skip(1)
            .filter_map(|rest| rest.split_once('\''))
            .map(|(command, _)| command.to_lowercase())
    }

    /// a script without flags would be carried out by a replica, and half carried out by a full server.
    #[test]
    fn every_script_says_in_its_first_line_what_it_may_do_and_none_may_run_on_a_replica() {
        let mut seen = BTreeSet::new();
        for (name, script) in ALL {
            let first = script.text.lines().next();
            assert!(
                matches!(first, Some("#!lua" | "#!lua flags=allow-oom")),
                "{name}: {first:?}"
            );
            assert!(seen.insert(script.sha.as_str()), "{name} is another");
        }
    }

    #[test]
    fn the_rights_in_the_readme_are_all_that_scripts_need_and_no_more() {
        let needed: BTreeSet<_> = ALL
            .iter()
            .flat_map(|(_, script)| commands(script.text))
            .collect();
        let readme = include_str!("../README.md");
        let rights = readme
            .lines()
            .find(|line| line.starts_with("ACL SETUSER"))
            .unwrap();
        // What the client sends by itself.
        let of_the_client = [
            "auth",
            "eval",
            "evalsha",
            "hello",
            "ping",
            "select",
            "subscribe",
            "unsubscribe",
        ];
        let given: BTreeSet<_> = rights
            .split(" +")
            .skip(1)
            .filter(|right| !of_the_client.contains(right))
            .map(str::to_owned)
            .collect();
        assert!(needed.len() > 15, "{needed:?}");
        assert_eq!(given, needed);
    }
}
