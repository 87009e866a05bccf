use std::fmt;
use std::time::Duration;

use super::{Lockout, Whose};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::{Subject, Tenant};
use crate::secret::{Digest, Secret};
use crate::text::{is_all, random_id};

/// A device on which its subject signed in before, as [`Lockout::known_device`] has found.
///
/// Its attempts are counted apart: whoever locks the account by guessing from elsewhere does not lock the person out (L-09).
#[derive(Clone, PartialEq, Eq)]
pub struct KnownDevice {
    pub(super) id: String,
    pub(super) owner: (Tenant, Subject),
}

impl fmt::Debug for KnownDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownDevice(..)")
    }
}

/// What a token says of itself, before its signature is looked at.
struct Parts<'t> {
    id: &'t str,
    issued: i64,
    signature: &'t str,
}

impl Lockout {
    /// For how long a device is known after its token was made: 180 days.
    pub const DEVICE_LIFE: Duration = Duration::from_secs(180 * 24 * 3_600);

    /// A token for the device on which this subject has just signed in: keep it there, as a cookie with `HttpOnly`, `Secure` and
    /// `SameSite=Strict`, and hand it to [`known_device`](Self::known_device) the next time.
    ///
    /// It signs nobody in. All it gives is attempts of its own.
    ///
    /// # Errors
    /// `Entropy`.
    pub fn remember_device(&self, tenant: &Tenant, subject: &Subject) -> Result<Secret, Error> {
        let id = random_id::<16>(&*self.0.random)?;
        let issued = self.0.clock.now().as_unix_seconds();
        let signature = self.sign(tenant, subject, &id, issued);
        Ok(Secret::from(format!("fd1.{id}.{issued}.{signature}")))
    }

    /// The device of a token that [`remember_device`](Self::remember_device) made for this subject, if it is genuine and not older
    /// than [`DEVICE_LIFE`](Self::DEVICE_LIFE). Any other text is none.
    #[must_use]
    pub fn known_device(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        token: &str,
    ) -> Option<KnownDevice> {
        let Parts {
            id,
            issued,
            signature,
        } = parts(token)?;
        let expected = self.sign(tenant, subject, id, issued);
        if !constant_time_eq::constant_time_eq(signature.as_bytes(), expected.as_bytes()) {
            return None;
        }
        let (now, issued) = (self.0.clock.now(), Timestamp::from_unix_seconds(issued));
        (now.since(issued) < Self::DEVICE_LIFE).then(|| KnownDevice {
            id: id.to_owned(),
            owner: (tenant.clone(), subject.clone()),
        })
    }

    fn sign(&self, tenant: &Tenant, subject: &Subject, id: &str, issued: i64) -> String {
        let of = self.keyed(
            "device token",
            tenant,
            Whose::Subject(subject),
            &[id, &issued.to_string()],
        );
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(Digest::as_bytes(&of))
    }
}

fn parts(token: &str) -> Option<Parts<'_>> {
    // 4 + 22 + 20 + 43 characters and three dots, at most.
    if token.len() > 96 {
        return None;
    }
    let mut words = token.split('.');
    let (version, id, issued, signature) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_one = version == "fd1"
        && words.next().is_none()
        && is_all(id, 22, 22, |byte| byte.is_ascii_alphanumeric())
        && is_all(issued, 1, 12, |byte| byte.is_ascii_digit())
        && signature.len() == 43;
    if !is_one {
        return None;
    }
    Some(Parts {
        id,
        issued: issued.parse().ok()?,
        signature,
    })
}
