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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::danger::InsecureSeededRandom;

    fn secret() -> OtpSecret {
        OtpSecret::generate(&InsecureSeededRandom::new(1)).unwrap()
    }

    fn read(bytes: &[u8], kind: FactorKind) -> Result<Sealed, Error> {
        Sealed::read(&SecretBytes::new(bytes.to_vec()), kind)
    }

    fn text(bytes: &SecretBytes) -> &str {
        std::str::from_utf8(bytes.expose()).unwrap()
    }

    ///
    #[test]
    fn what_was_written_is_read_with_its_parameters() {
        let rules = AuthenticatorRules::default()
            .algorithm(OtpAlgorithm::Sha512)
            .digits(Digits::Eight)
            .period(60)
            .unwrap()
            .window(TotpWindow::new(2, 1).unwrap())
            .look_ahead(LookAhead::new(7).unwrap());
        for is_proven in [true, false] {
            let written = Sealed::write_totp(&secret(), rules, is_proven).unwrap();
            let sealed = Sealed::read(&written, FactorKind::Totp).unwrap();
            assert_eq!(sealed.is_proven, is_proven);
            let Content::Totp(totp) = sealed.content else {
                panic!("it is no TOTP");
            };
            let expected = rules.totp(secret()).unwrap();
            assert_eq!(format!("{totp:?}"), format!("{expected:?}"));
            let now = crate::Timestamp::from_unix_seconds(1_900_000_000);
            let (one, other) = (totp.code_at(now).unwrap(), expected.code_at(now).unwrap());
            assert_eq!(one.expose(), other.expose());

            let written = Sealed::write_hotp(&secret(), rules, is_proven).unwrap();
            let Content::Hotp(hotp) = Sealed::read(&written, FactorKind::Hotp).unwrap().content
            else {
                panic!("it is no HOTP");
            };
            assert_eq!(format!("{hotp:?}"), format!("{:?}", rules.hotp(secret())));
        }
        let local = format!("{}@b.example", "!#$%&'*+/=?^_`{|}~-");
        for (channel, to) in [(Channel::Sms, "+436641234567"), (Channel::Email, &local)] {
            let address = DeliveryAddress::new(channel, to).unwrap();
            let kind = FactorKind::from_name(channel.as_str()).unwrap();
            let written = Sealed::write_address(&address, true).unwrap();
            let sealed = Sealed::read(&written, kind).unwrap();
            assert_eq!(sealed.address(), Some(&address));
            assert!(!format!("{sealed:?}").contains(to));
        }
    }

    /// no copy is left behind by a buffer that grew.
    #[test]
    fn the_longest_content_fits_into_its_buffer() {
        let longest = OtpSecret::from_bytes(SecretBytes::new((0..64).collect())).unwrap();
        let rules = AuthenticatorRules::default().algorithm(OtpAlgorithm::Sha512);
        assert!(text(&Sealed::write_totp(&longest, rules, false).unwrap()).len() < CAPACITY / 2);
        let to = format!("{}@{}.example", "a".repeat(64), "b.".repeat(88) + "b");
        let to = DeliveryAddress::new(Channel::Email, &to).unwrap();
        assert!(text(&Sealed::write_address(&to, false).unwrap()).len() < CAPACITY / 2);
    }

    /// F-35: what is of another version, of another kind or damaged is an error, and says nothing of what it holds.
    #[test]
    fn what_cannot_be_read_is_corrupt() {
        let written = Sealed::write_totp(&secret(), AuthenticatorRules::default(), true).unwrap();
        let good = text(&written);
        assert!(read(good.as_bytes(), FactorKind::Totp).is_ok());
        for kind in FactorKind::ALL
            .iter()
            .filter(|kind| **kind != FactorKind::Totp)
        {
            assert!(read(good.as_bytes(), *kind).is_err(), "{kind:?}");
        }
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("\"v\":1,", ""),
            ("\"proven\":true", "\"proven\":1"),
            ("{\"v\"", "{\"more\":0,\"v\""),
            ("\"period\":30", "\"period\":14"),
            ("\"period\":30", "\"period\":-30"),
            ("\"digits\":6", "\"digits\":7"),
            ("SHA1", "MD5"),
            ("[1,0]", "[3,0]"),
            ("\"secret\":\"", "\"secret\":\"a"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            let error = read(bad.as_bytes(), FactorKind::Totp).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Corrupt, "{to}");
            assert!(std::error::Error::source(&error).is_none());
        }
        for cut in 0..good.len() {
            assert!(read(&good.as_bytes()[..cut], FactorKind::Totp).is_err());
        }
    }
}
