//! How people sign in, and how codes get to them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fountain_core::Secret;
use fountain_core::lockout::LockoutRules;
use fountain_core::otp::{CodeRules, Digits, IssueRules};

use super::secret;
use crate::service::delivery::DeliveryChoice;
use crate::service::duration;
use crate::service::secrets::from_file;

/// What a host decides about signing in.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SignInConfig {
    /// The password of the subject `admin`, which the first start makes.
    pub admin_password: Option<Secret>,
    /// Who carries codes; each channel has one carrier.
    pub deliveries: Vec<DeliveryChoice>,
    /// What codes are like.
    pub codes: CodeRules,
    /// How many codes are sent.
    pub budgets: IssueRules,
    /// After how many wrong attempts of a kind there is a lock, and for how long.
    pub lockout: LockoutRules,
}

#[derive(Args)]
pub(super) struct SignInArguments {
    /// Password of the subject admin, made at the first start; environment only
    #[arg(long, env = "FOUNTAIN_ADMIN_PASSWORD", hide = true, hide_env_values = true, value_parser = secret)]
    pub(super) admin_password: Option<Secret>,
    /// File that holds that password
    #[arg(long, env = "FOUNTAIN_ADMIN_PASSWORD_FILE")]
    admin_password_file: Option<PathBuf>,
    /// Who carries codes: console (--dev only), smtp://…, smtps://…, twilio:SID, webhook:URL, or none; parted by blanks
    #[arg(long, env = "FOUNTAIN_DELIVERY", default_value = "console", value_parser = secret, hide_env_values = true)]
    pub(super) delivery: Secret,
    /// File that holds who carries codes
    #[arg(long, env = "FOUNTAIN_DELIVERY_FILE")]
    delivery_file: Option<PathBuf>,
    /// Sender of mails: a mailbox
    #[arg(long, env = "FOUNTAIN_SMTP_FROM")]
    smtp_from: Option<String>,
    /// Sender of text messages: a number, or the SID of a messaging service
    #[arg(long, env = "FOUNTAIN_TWILIO_FROM")]
    twilio_from: Option<String>,
    /// Twilio's token of the account; environment only
    #[arg(long, env = "FOUNTAIN_TWILIO_TOKEN", hide = true, hide_env_values = true, value_parser = secret)]
    pub(super) twilio_token: Option<Secret>,
    /// File that holds Twilio's token
    #[arg(long, env = "FOUNTAIN_TWILIO_TOKEN_FILE")]
    twilio_token_file: Option<PathBuf>,
    /// Secret that webhooks are signed with, whsec_ and base64; environment only
    #[arg(long, env = "FOUNTAIN_WEBHOOK_SECRET", hide = true, hide_env_values = true, value_parser = secret)]
    pub(super) webhook_secret: Option<Secret>,
    /// File that holds that secret
    #[arg(long, env = "FOUNTAIN_WEBHOOK_SECRET_FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// Life of codes that are sent, at most 10m
    #[arg(long, env = "FOUNTAIN_OTP_TTL", default_value = "5m", value_parser = codes)]
    otp_ttl: CodeRules,
    /// Codes to one address and for one subject in 10 minutes
    #[arg(long, env = "FOUNTAIN_LIMIT_OTP", default_value = "3/10m", value_parser = budgets)]
    limit_otp: IssueRules,
    /// Wrong attempts before a lock, and how long the first one lasts
    #[arg(long, env = "FOUNTAIN_LOCKOUT", default_value = "5/15m", value_parser = lockout)]
    lockout: LockoutRules,
}

impl SignInArguments {
    /// Puts it together; `is_default` when nobody said who carries codes.
    pub(super) fn settle(&self, dev: bool, is_default: bool) -> Result<SignInConfig, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut either = |name, value: &Option<Secret>, file: &Option<PathBuf>| {
            let found = from_file(name, value.is_some(), file.as_deref());
            match found.map_err(|problem| mistakes.push(problem)) {
                Ok(Some(text)) => Some(Secret::from(text.as_str().to_owned())),
                _ => value.clone(),
            }
        };
        let admin_password = either(
            "FOUNTAIN_ADMIN_PASSWORD",
            &self.admin_password,
            &self.admin_password_file,
        );
        let twilio_token = either(
            "FOUNTAIN_TWILIO_TOKEN",
            &self.twilio_token,
            &self.twilio_token_file,
        );
        let webhook_secret = either(
            "FOUNTAIN_WEBHOOK_SECRET",
            &self.webhook_secret,
            &self.webhook_secret_file,
        );
        let given = (!is_default).then(|| self.delivery.clone());
        let delivery = either("FOUNTAIN_DELIVERY", &given, &self.delivery_file);
        let delivery = delivery.unwrap_or_else(|| self.delivery.clone());
        let mut deliveries = Vec::new();
        for word in delivery.expose().split_whitespace() {
            let (smtp_from, twilio_from) = (&self.smtp_from, &self.twilio_from);
            let chosen = match word.split_once(':') {
                None if word == "none" => continue,
                None if word == "console" && dev => Ok(DeliveryChoice::Console),
                None if word == "console" => Err(
                    "FOUNTAIN_DELIVERY is console, which prints codes and is for --dev alone: set smtps://…, twilio:SID, \
                     webhook:URL, or none",
                ),
                Some(("smtp" | "smtps", _)) => DeliveryChoice::smtp(word, smtp_from.as_deref()),
                Some(("twilio", account)) => {
                    DeliveryChoice::twilio(account, twilio_token.as_ref(), twilio_from.as_deref())
                }
                Some(("webhook", url)) => DeliveryChoice::webhook(url, webhook_secret.as_ref()),
                _ => Err(
                    "FOUNTAIN_DELIVERY is not acceptable: write console, smtps://USER:PASSWORD@HOST, twilio:SID, \
                     webhook:URL or none",
                ),
            };
            match chosen {
                Ok(choice) => deliveries.push(choice),
                Err(problem) => mistakes.push(problem.to_owned()),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(SignInConfig {
            admin_password,
            deliveries,
            codes: self.otp_ttl,
            budgets: self.limit_otp,
            lockout: self.lockout,
        })
    }
}

fn codes(text: &str) -> Result<CodeRules, &'static str> {
    CodeRules::new(Digits::Six, duration::parse(text)?).map_err(|_| "write 30s to 10m")
}

/// `N/TIME`.
fn quota(text: &str) -> Option<(u32, Duration)> {
    let (number, time) = text.split_once('/')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((
        number.parse().ok().filter(|_| is_number)?,
        duration::parse(time).ok()?,
    ))
}

fn budgets(text: &str) -> Result<IssueRules, &'static str> {
    const FORM: &str = "write 1/10m to 10/10m: codes in 10 minutes";
    const A_DAY: u32 = 10;
    let (number, _) = quota(text)
        .filter(|(_, time)| *time == Duration::from_secs(600))
        .ok_or(FORM)?;
    let day = number.max(A_DAY);
    IssueRules::default()
        .per_destination(number, day)
        .and_then(|rules| rules.per_subject(number, day))
        .map_err(|_| FORM)
}

fn lockout(text: &str) -> Result<LockoutRules, &'static str> {
    const FORM: &str = "write attempts and the length of the first lock, such as 5/15m; at most 100 attempts, and 1h";
    const LONGEST: Duration = Duration::from_secs(3_600);
    let (attempts, first) = quota(text)
        .filter(|(attempts, _)| *attempts <= 100)
        .ok_or(FORM)?;
    LockoutRules::new(attempts, first, LONGEST).map_err(|_| FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_in_one_form() {
        assert_eq!(lockout("5/15m"), Ok(LockoutRules::default()));
        assert_eq!(budgets("3/10m"), Ok(IssueRules::default()));
        assert_eq!(codes("5m"), Ok(CodeRules::default()));
        for bad in [
            "", "5", "/15m", "5/", "+5/15m", "5/15", "0/15m", "101/15m", "5/2h", "5/0s",
        ] {
            assert!(lockout(bad).is_err(), "{bad}");
        }
        for bad in ["3/9m", "0/10m", "11/10m", "3", "-3/10m"] {
            assert!(budgets(bad).is_err(), "{bad}");
        }
        for bad in ["601s", "11m", "29s", "5"] {
            assert!(codes(bad).is_err(), "{bad}");
        }
    }
}
