use super::{Login, refused};
use crate::access::Authority;
use crate::audit::AuditAction;
use crate::error::{Error, ErrorKind, Reason};
use crate::identity::{Actor, LoginName, Subject, Tenant};
use crate::lockout::Whose;
use crate::login::{CredentialRecord, ReplaceOutcome};
use crate::password::PasswordVerdict;
use crate::secret::Secret;

/// How a subject is to sign in.
#[derive(Debug, Clone)]
pub struct NewCredential {
    pub(super) tenant: Tenant,
    pub(super) subject: Subject,
    pub(super) name: LoginName,
    pub(super) password: Secret,
    pub(super) about: Vec<String>,
}

impl NewCredential {
    /// By this name and password, in the default tenant.
    #[must_use]
    pub fn new(subject: Subject, name: LoginName, password: Secret) -> Self {
        Self {
            tenant: Tenant::default(),
            subject,
            name,
            password,
            about: Vec::new(),
        }
    }

    /// In another tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// One more word about the person that the password may not consist of, beside the name to sign in by: a display name, say.
    #[must_use]
    pub fn about(mut self, word: impl Into<String>) -> Self {
        self.about.push(word.into());
        self
    }
}

impl Login {
    /// Registers how a subject signs in. The subject itself, with its roles, is [`Subjects`](crate::access::Subjects)'s, and
    /// registered before it can sign in.
    ///
    /// # Errors
    /// `InvalidInput` when the rules for passwords refuse it, saying why; `Conflict` when the name or the subject is registered;
    /// `NotFound` in another tenant; `Unavailable` when the store does not answer or too many passwords wait to be hashed; `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, it was registered with its event, or not at all.
    ///
    /// # Security
    /// Whether `by` may register anybody is for the host's requirement to say.
    pub async fn register(
        &self,
        by: impl Into<Authority<'_>>,
        new: NewCredential,
    ) -> Result<(), Error> {
        let by = by.into();
        by.reaches(&new.tenant)?;
        let about: Vec<_> = new.about.iter().map(String::as_str).collect();
        self.judge_password(&new.password, &new.name, &about)
            .await?;
        let hash = self.0.passwords.hash(&new.password).await?;
        let action = AuditAction::CredentialRegistered;
        let event = self.about(&new.tenant, by.actor(), action, &new.subject)?;
        let record = CredentialRecord {
            tenant: new.tenant,
            subject: new.subject,
            name: new.name,
            password: hash,
            created_at: event.at,
            changed_at: event.at,
            version: 1,
        };
        if self.0.credentials.insert(record, event).await? {
            Ok(())
        } else {
            Err(ErrorKind::Conflict("the name or the subject is registered").into())
        }
    }

    /// Changes a subject's password by the one that it has. Everything that it was issued ends, so that whoever knew the old one is
    /// out: issue new tokens, or have the person sign in.
    ///
    /// The old password is an attempt like any other: counted before it is looked at, and while a lock stands it is not.
    ///
    /// # Errors
    /// `Refused` with `AuthenticationFailed` when the old one is wrong or a lock stands; `InvalidInput` when the rules refuse the new
    /// one; `Conflict` when it was changed meanwhile; `Unavailable`, `Entropy`, `Crypto`. When the tokens could not be ended it is
    /// `Unavailable` as well, and the new password stands: end them with [`Tokens::revoke_subject`](crate::token::Tokens::revoke_subject).
    ///
    /// # Cancel safety
    /// When dropped, the attempt stays counted; the new password may stand and the tokens may not have ended yet.
    pub async fn change_password(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        old: &Secret,
        new: &Secret,
        device: Option<&Secret>,
    ) -> Result<(), Error> {
        let changed = self.changed(tenant, subject, (old, new), device).await;
        match &changed {
            // What is wrong with the new password is nothing that was refused.
            Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput { .. }) => {
                self.0.logins.refused(error.rejection().reason());
            }
            _ => {}
        }
        changed
    }

    async fn changed(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        (old, new): (&Secret, &Secret),
        device: Option<&Secret>,
    ) -> Result<(), Error> {
        let record = self.0.credentials.find_subject(tenant, subject).await?;
        let device = self.device(tenant, Some(subject), device);
        let whose = Whose::Subject(subject);
        let standing = self.standing(tenant, whose, device.as_ref()).await?;
        let counted = self.count(tenant, whose, device.as_ref()).await?;
        let counted = counted.filter(|_| standing.is_ok());
        let stored = record.as_ref().filter(|_| counted.is_some());
        let stored = stored.map(|record| &record.password);
        let check = self.0.passwords.verify(old, stored).await?;
        let (Some(record), Some(counted)) = (&record, counted) else {
            return Err(refused(match record {
                Some(_) => standing.err().unwrap_or(Reason::Locked),
                None => Reason::LoginUnknown,
            }));
        };
        if !check.is_match() {
            return Err(refused(Reason::PasswordWrong));
        }
        self.clear(counted, subject).await?;
        self.may_sign_in(tenant, subject, device.as_ref()).await?;
        self.put(record, new, Actor::Subject(subject.clone())).await
    }

    /// Sets a subject's password without the one that it has: by the host after a recovery, or by an administrator. Everything that
    /// it was issued ends.
    ///
    /// # Errors
    /// `NotFound` when the subject has no credential, and in another tenant; else as [`change_password`](Self::change_password).
    ///
    /// # Cancel safety
    /// When dropped, the new password may stand and the tokens may not have ended yet: call it again.
    ///
    /// # Security
    /// Whether `by` may do so is for the host's requirement to say; ask for a step-up.
    pub async fn set_password(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        new: &Secret,
    ) -> Result<(), Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let found = self.0.credentials.find_subject(tenant, subject).await?;
        let record = found.ok_or(ErrorKind::NotFound)?;
        self.put(&record, new, by.actor()).await
    }

    /// Removes how a subject signs in, and ends everything that it was issued. `false` when there was nothing to remove.
    ///
    /// # Errors
    /// `NotFound` in another tenant; `Unavailable` when a store does not answer: call it again.
    ///
    /// # Cancel safety
    /// When dropped, the credential may be gone and the tokens not yet: call it again.
    ///
    /// # Security
    /// Whether `by` may do so is for the host's requirement to say.
    pub async fn remove(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<bool, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let event = self.about(tenant, by.actor(), AuditAction::CredentialRemoved, subject)?;
        let removed = self.0.credentials.remove(tenant, subject, event).await?;
        self.0
            .tokens
            .revoke_subject(&by.actor(), tenant, subject)
            .await?;
        Ok(removed)
    }

    /// Puts a new password in the place of the one of this record, and ends what was issued.
    async fn put(
        &self,
        record: &CredentialRecord,
        new: &Secret,
        actor: Actor,
    ) -> Result<(), Error> {
        self.judge_password(new, &record.name, &[]).await?;
        let hash = self.0.passwords.hash(new).await?;
        let (tenant, subject) = (&record.tenant, &record.subject);
        let event = self.about(tenant, actor.clone(), AuditAction::PasswordChanged, subject)?;
        let now = event.at;
        let replaced = self
            .0
            .credentials
            .replace(tenant, subject, record.version, hash, now, event)
            .await?;
        match replaced {
            ReplaceOutcome::Replaced => {}
            ReplaceOutcome::Stale => {
                return Err(ErrorKind::Conflict("the password was changed meanwhile").into());
            }
            ReplaceOutcome::NotFound => return Err(ErrorKind::NotFound.into()),
        }
        self.0
            .tokens
            .revoke_subject(&actor, tenant, subject)
            .await
            .map(drop)
    }

    /// Whether the rules accept a password that who signs in by this name wants to use; `about` are more words about the person.
    /// [`register`](Self::register) and the changes of a password ask this first.
    ///
    /// # Errors
    /// `InvalidInput` when they do not, saying why; those of a blocklist that cannot be asked.
    ///
    /// # Cancel safety
    /// Nothing is kept.
    pub async fn judge_password(
        &self,
        password: &Secret,
        name: &LoginName,
        about: &[&str],
    ) -> Result<(), Error> {
        let mut words = vec![name.as_str()];
        words.extend(about);
        let problem = match self.0.rules.judge(password, &words).await? {
            PasswordVerdict::Accepted => return Ok(()),
            PasswordVerdict::TooShort { .. } => "it is too short: write a sentence",
            PasswordVerdict::TooLong { .. } => "it is too long",
            PasswordVerdict::Predictable => {
                "it repeats a few characters, or runs along the alphabet or the keyboard"
            }
            PasswordVerdict::Derived => "it consists of the name or of the service's",
            PasswordVerdict::Known => "it is on a list of passwords that are known",
        };
        Err(Error::invalid("password", problem))
    }
}
