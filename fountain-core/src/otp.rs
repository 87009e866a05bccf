//! One-time passwords and the factors that a person shows: the service, the decisions, and the stores that take what was decided.
//!
//! [`SecondFactor`] is the service: it enrols factors, asks for one, counts each answer before it is judged, and takes what was shown.
//!
//! The decisions below it are pure: codes, time, counters and what was accepted last go in, an outcome comes out. What makes a code
//! one that works *once* is a store's atomic step that takes the outcome ([`FactorStore`], [`ChallengeStore`]): advance the
//! last step or the counter, or take the digest away, and only then let anybody in.
//!
//! | module of a factor | a person has | shows |
//! |---|---|---|
//! | [`Totp`] | an authenticator app | six digits that change every 30 s (RFC 6238) |
//! | [`Hotp`] | a token with a button | six digits that change with each press (RFC 4226) |
//! | [`DeliveredCode`] | a phone or a mailbox | six digits that were sent there |
//! | [`RecoveryCode`] | a sheet of paper | 26 characters, each code once |
//!
//! [`StepUp`] turns a factor that was just shown into a grant for one act, and the grant into the proof that it may be done.
//!
//! ```
//! use std::time::Duration;
//! use fountain_core::otp::{OtpSecret, Totp, TotpOutcome, assess, FactorKind, ShownFactor};
//! use fountain_core::{OsRandom, Timestamp};
//!
//! let totp = Totp::new(OtpSecret::generate(&OsRandom)?);
//! let uri = totp.uri("Example Shop", "alice@example.com")?; // shown once, as a QR code
//! assert!(uri.expose().starts_with("otpauth://totp/Example%20Shop:alice%40example.com?secret="));
//!
//! let now = Timestamp::from_unix_seconds(1_900_000_000);
//! let code = totp.code_at(now).expect("after 1970"); // what the app shows
//! let TotpOutcome::Accepted { step } = totp.verify(code.expose(), now, None) else { panic!() };
//!
//! // the same code again, even a moment later
//! let again = totp.verify(code.expose(), now + Duration::from_secs(1), Some(step));
//! assert_eq!(again, TotpOutcome::Replayed { step });
//! assert_eq!(totp.verify("123 456", now, None), TotpOutcome::Malformed);
//!
//! let shown = [FactorKind::Password, FactorKind::Totp].map(|kind| ShownFactor { kind, at: now });
//! assert_eq!(assess(&shown).assurance().amr, ["pwd", "otp", "mfa"]);
//! # Ok::<(), fountain_core::Error>(())
//! ```

mod code;
mod delivery;
mod digits;
mod factor;
mod hotp;
#[cfg(feature = "qr")]
mod qr;
mod recovery;
mod second_factor;
mod secret;
mod step_up;
mod store;
mod totp;
mod uri;
mod verified;

pub use code::{ChallengeId, CodeRules, DeliveredCode};
pub use delivery::{
    Channel, DeliveryAddress, DeliveryContent, DeliveryError, DeliveryErrorKind, DeliveryMessage,
    DeliveryReceipt, Notice, OtpDelivery,
};
pub use digits::{Digits, OtpAlgorithm};
pub use factor::{Assessment, AssuranceLevel, FactorClass, FactorKind, ShownFactor, assess};
pub use hotp::{Hotp, HotpOutcome, LookAhead};
#[cfg(feature = "qr")]
pub use qr::QrCode;
pub use recovery::RecoveryCode;
pub use second_factor::{
    AuthenticatorRules, EnrolledFactor, Enrolment, FactorMethod, IssueRules, IssuedChallenge,
    NewChallenge, SecondFactor, SecondFactorAnswer, SecondFactorBuilder, SentCode,
};
pub use secret::OtpSecret;
pub use step_up::{IssuedGrant, StepUp, StepUpBuilder};
pub use store::{
    ChallengeOutcome, ChallengePurpose, ChallengeRecord, ChallengeStore, FactorId, FactorOutcome,
    FactorRecord, FactorStore, PendingCode,
};
pub use totp::{Totp, TotpOutcome, TotpStep, TotpWindow};
pub use uri::{OtpauthUri, OtpauthUriError, OtpauthUse};
pub use verified::VerifiedFactor;
