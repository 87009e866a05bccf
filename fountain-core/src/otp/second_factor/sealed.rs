use serde::{Deserialize, Serialize};

use super::AuthenticatorRules;
use crate::error::{Error, ErrorKind};
use crate::otp::{
    Channel, DeliveryAddress, Digits, FactorKind, Hotp, LookAhead, OtpAlgorithm, OtpSecret, Totp,
    TotpWindow,
};
use crate::secret::SecretBytes;

/// The only version there is.
const VERSION: u8 = 1;
/// More than the longest content takes, so that writing it leaves no copies behind that nobody wipes.
const CAPACITY: usize = 1_024;

/// What a factor's record holds sealed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) content: Content,
    /// Whether its enrolment was permitted by more than the lack of any other factor.
    pub(super) is_proven: bool,
}

#[derive(Debug)]
pub(super) enum Content {
    Totp(Totp),
    Hotp(Hotp),
    Address(DeliveryAddress),
}

/// As JSON. The texts are borrowed: base32 and addresses have nothing that JSON escapes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    v: u8,
    proven: bool,
    #[serde(borrow)]
    content: StoredContent<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredContent<'a> {
    Totp {
        secret: &'a str,
        algorithm: OtpAlgorithm,
        digits: Digits,
        period: u32,
        window: TotpWindow,
    },
    Hotp {
        secret: &'a str,
        algorithm: OtpAlgorithm,
        digits: Digits,
        look_ahead: u8,
    },
    Sms {
        to: &'a str,
    },
    Email {
        to: &'a str,
    },
}

impl Sealed {
    pub(super) fn address(&self) -> Option<&DeliveryAddress> {
        match &self.content {
            Content::Address(address) => Some(address),
            Content::Totp(_) | Content::Hotp(_) => None,
        }
    }

    /// Reads what `write_…` wrote for a factor of this kind.
    pub(super) fn read(bytes: &SecretBytes, kind: FactorKind) -> Result<Self, Error> {
        // What serde says of a text that it cannot read may quote it: the source is left out.
        const CORRUPT: Error = Error::new(ErrorKind::Corrupt);
        let stored: Stored<'_> = serde_json::from_slice(bytes.expose()).map_err(|_| CORRUPT)?;
        if stored.v != VERSION {
            return Err(CORRUPT);
        }
        let content = match (stored.content, kind) {
            (
                StoredContent::Totp {
                    secret,
                    algorithm,
                    digits,
                    period,
                    window,
                },
                FactorKind::Totp,
            ) => Content::Totp(
                Totp::new(OtpSecret::from_base32(secret).map_err(|_| CORRUPT)?)
                    .algorithm(algorithm)
                    .digits(digits)
                    .window(window)
                    .period(period)
                    .map_err(|_| CORRUPT)?,
            ),
            (
                StoredContent::Hotp {
                    secret,
                    algorithm,
                    digits,
                    look_ahead,
                },
                FactorKind::Hotp,
            ) => Content::Hotp(
                Hotp::new(OtpSecret::from_base32(secret).map_err(|_| CORRUPT)?)
                    .algorithm(algorithm)
                    .digits(digits)
                    .look_ahead(LookAhead::new(look_ahead).map_err(|_| CORRUPT)?),
            ),
            (StoredContent::Sms { to }, FactorKind::Sms) => {
                Content::Address(DeliveryAddress::new(Channel::Sms, to).map_err(|_| CORRUPT)?)
            }
            (StoredContent::Email { to }, FactorKind::Email) => {
                Content::Address(DeliveryAddress::new(Channel::Email, to).map_err(|_| CORRUPT)?)
            }
            _ => return Err(CORRUPT),
        };
        Ok(Self {
            content,
            is_proven: stored.proven,
        })
    }

    pub(super) fn write_totp(
        secret: &OtpSecret,
        rules: AuthenticatorRules,
        is_proven: bool,
    ) -> Result<SecretBytes, Error> {
        let base32 = secret.to_base32();
        let content = StoredContent::Totp {
            secret: base32.expose(),
            algorithm: rules.algorithm,
            digits: rules.digits,
            period: rules.period,
            window: rules.window,
        };
        write(content, is_proven)
    }

    pub(super) fn write_hotp(
        secret: &OtpSecret,
        rules: AuthenticatorRules,
        is_proven: bool,
    ) -> Result<SecretBytes, Error> {
        let base32 = secret.to_base32();
        let content = StoredContent::Hotp {
            secret: base32.expose(),
            algorithm: rules.algorithm,
            digits: rules.digits,
            look_ahead: rules.look_ahead.codes(),
        };
        write(content, is_proven)
    }

    pub(super) fn write_address(
        address: &DeliveryAddress,
        is_proven: bool,
    ) -> Result<SecretBytes, Error> {
        let to = address.expose();
        let content = match address.channel() {
            Channel::Sms => StoredContent::Sms { to },
            Channel::Email => StoredContent::Email { to },
        };
        write(content, is_proven)
    }
}

fn write(content: StoredContent<'_>, proven: bool) -> Result<SecretBytes, Error> {
    let stored = Stored {
        v: VERSION,
        proven,
        content,
    };
    let mut bytes = Vec::with_capacity(CAPACITY);
    serde_json::to_writer(&mut bytes, &stored).map_err(|error| {
        Error::with_source(ErrorKind::Crypto("a factor could not be written"), error)
    })?;
    Ok(SecretBytes::new(bytes))
}
