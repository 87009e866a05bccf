//! Who carries codes to people.

use std::borrow::Cow;
use std::sync::Arc;

use fountain_core::otp::{Channel, OtpDelivery};
use fountain_core::{ConfigErrors, Secret};
use fountain_delivery::danger::InsecureConsole;
use fountain_delivery::webhook::WebhookSecret;
use fountain_delivery::{English, Routed, Smtp, Twilio, Webhook};
use http::Uri;
use percent_encoding::percent_decode_str;

/// What the service is called, in mails and authenticator apps.
pub(super) const NAME: &str = "Fountain";

/// One carrier of codes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeliveryChoice {
    /// Prints codes to the standard output: for development.
    Console,
    /// Sends mails.
    Smtp {
        /// Whether TLS is spoken from the first byte.
        implicit_tls: bool,
        /// Its host.
        host: String,
        /// Its port, if it is not the usual one.
        port: Option<u16>,
        /// User and password.
        credentials: Option<(String, Secret)>,
        /// Who mails are from.
        from: String,
    },
    /// Sends text messages.
    Twilio {
        /// The account's SID.
        account: String,
        /// Its token.
        token: Secret,
        /// A number, or the SID of a messaging service.
        from: String,
    },
    /// Hands messages to the host's own service.
    Webhook {
        /// Its https address.
        url: String,
        /// What each message is signed with.
        secret: Secret,
    },
}

impl DeliveryChoice {
    pub(super) fn smtp(text: &str, from: Option<&str>) -> Result<Self, &'static str> {
        const FORM: &str = "FOUNTAIN_DELIVERY is no address of a mail server: write smtps://USER:PASSWORD@HOST (TLS) or \
                            smtp://USER:PASSWORD@HOST (STARTTLS)";
        let from = from
            .ok_or("FOUNTAIN_SMTP_FROM is missing: set it to the mailbox that codes come from")?;
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let authority = uri.authority().ok_or(FORM)?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let credentials = user.map(|user| -> Result<_, &'static str> {
            let (user, password) = user.split_once(':').ok_or(FORM)?;
            Ok((
                decoded(user)?.into_owned(),
                Secret::from(decoded(password)?.into_owned()),
            ))
        });
        let (host, port) = (authority.host(), authority.port_u16());
        let place = port.map_or(host.to_owned(), |port| format!("{host}:{port}"));
        // What is no number after a colon is not simply left out.
        let is_whole = authority.as_str().rsplit('@').next() == Some(place.as_str());
        if !is_whole
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
            || uri.host().is_none_or(str::is_empty)
        {
            return Err(FORM);
        }
        Ok(Self::Smtp {
            implicit_tls: uri.scheme_str() == Some("smtps"),
            host: authority.host().to_owned(),
            port: authority.port_u16(),
            credentials: credentials.transpose()?,
            from: from.to_owned(),
        })
    }

    pub(super) fn twilio(
        account: &str,
        token: Option<&Secret>,
        from: Option<&str>,
    ) -> Result<Self, &'static str> {
        Ok(Self::Twilio {
            account: account.to_owned(),
            token: token
                .cloned()
                .ok_or("FOUNTAIN_TWILIO_TOKEN is missing: set it, or FOUNTAIN_TWILIO_TOKEN_FILE, to the account's token")?,
            from: from
                .map(str::to_owned)
                .ok_or("FOUNTAIN_TWILIO_FROM is missing: set it to a number, or to the SID of a messaging service")?,
        })
    }

    pub(super) fn webhook(url: &str, secret: Option<&Secret>) -> Result<Self, &'static str> {
        Ok(Self::Webhook {
            url: url.to_owned(),
            secret: secret.cloned().ok_or(
                "FOUNTAIN_WEBHOOK_SECRET is missing: set it, or FOUNTAIN_WEBHOOK_SECRET_FILE, to whsec_ and 32 random bytes \
                 in base64",
            )?,
        })
    }

    fn open(&self) -> Result<Arc<dyn OtpDelivery>, ConfigErrors> {
        let words = || English::new(NAME).map(|words| Arc::new(words) as Arc<_>);
        Ok(match self {
            Self::Console => Arc::new(InsecureConsole::to_stdout()),
            Self::Smtp {
                implicit_tls,
                host,
                port,
                credentials,
                from,
            } => {
                let mut smtp = if *implicit_tls {
                    Smtp::implicit_tls(host)
                } else {
                    Smtp::starttls(host)
                };
                if let Some(port) = port {
                    smtp = smtp.port(*port);
                }
                if let Some((user, password)) = credentials {
                    smtp = smtp.credentials(user, password.clone());
                }
                if let Ok(words) = words() {
                    smtp = smtp.wording(words);
                }
                Arc::new(smtp.from(from, NAME).build()?)
            }
            Self::Twilio {
                account,
                token,
                from,
            } => {
                let mut twilio = Twilio::builder(account).auth_token(token.clone());
                if let Ok(words) = words() {
                    twilio = twilio.wording(words);
                }
                let twilio = if from.starts_with("MG") {
                    twilio.messaging_service(from)
                } else {
                    twilio.from(from)
                };
                Arc::new(twilio.build()?)
            }
            Self::Webhook { url, secret } => {
                let secret = WebhookSecret::parse(secret).map_err(|_| {
                    fountain_core::ConfigError::Invalid {
                        setting: "FOUNTAIN_WEBHOOK_SECRET",
                        hint: "write whsec_ and 32 to 256 random bytes in base64",
                    }
                })?;
                Arc::new(Webhook::builder(url, secret).build()?)
            }
        })
    }
}

fn decoded(text: &str) -> Result<Cow<'_, str>, &'static str> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "FOUNTAIN_DELIVERY holds a user or a password that is not UTF-8")
}

/// The carrier of each channel; none where nothing carries.
pub(super) fn open(
    choices: &[DeliveryChoice],
) -> Result<Option<Arc<dyn OtpDelivery>>, ConfigErrors> {
    let mut routes = Routed::builder();
    for choice in choices {
        let carrier = choice.open()?;
        for channel in Channel::ALL {
            if carrier.carries(*channel) {
                routes = routes.route_shared(*channel, carrier.clone());
            }
        }
    }
    if choices.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(routes.build()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_read_with_its_user() {
        let text = "smtps://shop%40example.com:p%3Ass@mail.example.com:4650";
        let choice = DeliveryChoice::smtp(text, Some("no-reply@example.com")).unwrap();
        assert!(!format!("{choice:?}").contains("p:ss"));
        let DeliveryChoice::Smtp {
            implicit_tls,
            host,
            port,
            credentials,
            ..
        } = choice
        else {
            panic!()
        };
        assert!(implicit_tls && host == "mail.example.com" && port == Some(4650));
        let (user, password) = credentials.unwrap();
        assert_eq!(
            (user.as_str(), password.expose()),
            ("shop@example.com", "p:ss")
        );
        for bad in [
            "smtp://",
            "smtps://canary:canary",
            "smtps://u@h",
            "smtps://h/canary",
            "smtps://h?x=canary",
        ] {
            let problem = DeliveryChoice::smtp(bad, Some("a@b.example")).unwrap_err();
            assert!(
                problem.starts_with("FOUNTAIN_DELIVERY") && !problem.contains("canary"),
                "{bad}"
            );
        }
        assert!(
            DeliveryChoice::smtp(text, None)
                .unwrap_err()
                .contains("FOUNTAIN_SMTP_FROM")
        );
    }

    #[test]
    fn each_channel_has_one_carrier() {
        assert!(open(&[]).unwrap().is_none());
        let console = open(&[DeliveryChoice::Console]).unwrap().unwrap();
        assert!(Channel::ALL.iter().all(|channel| console.carries(*channel)));
        let mail = DeliveryChoice::smtp("smtps://h.example", Some("a@b.example")).unwrap();
        let only = open(std::slice::from_ref(&mail)).unwrap().unwrap();
        assert!(only.carries(Channel::Email) && !only.carries(Channel::Sms));
        assert!(open(&[mail, DeliveryChoice::Console]).is_err());
    }
}
