use super::Problems;

/// Which stores are not the one that the builder began with.
#[derive(Debug, Default)]
pub(super) struct Overridden {
    pub(super) families: bool,
    pub(super) revocations: bool,
    /// Keys, signing keys or subjects.
    pub(super) others: bool,
    pub(super) feed: bool,
}

impl Overridden {
    /// Refuses what opens a hole by omission. Whether two stores are one, nobody can tell from here: so the host says it.
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.check(
            self.families == self.revocations,
            "revocation_store",
            "write both .refresh_token_store(...) and .revocation_store(...), of one store: a family that ends is revoked \
             in its own, and access tokens would outlive it",
        );
        problems.check(
            self.feed || !(self.families || self.revocations || self.others),
            "change_feed",
            "write .change_feed(...) with a feed that carries the changes of every store wired here: other nodes would \
             not hear of what is in none",
        );
    }
}
