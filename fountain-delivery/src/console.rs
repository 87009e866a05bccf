use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use fountain_core::otp::{
    Channel, DeliveryContent, DeliveryError, DeliveryErrorKind, DeliveryMessage, DeliveryReceipt,
    Notice, OtpDelivery,
};
use serde_json::json;

use crate::check::takes;

/// Writes each message as one line of JSON, for development: whoever reads the output has the codes. Never wire it into a
/// service that somebody depends on.
///
/// A code is `{"channel":"sms","code":"271828","event":"otp","to":"+436641234567"}`, a notice
/// `{"channel":"sms","event":"notice","notice":"factor_removed","to":"+436641234567"}`, each followed by a line feed.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::otp::*;
/// use fountain_core::{Tenant, Timestamp};
/// use fountain_delivery::danger::InsecureConsole;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let console = InsecureConsole::to_writer(std::io::sink());
/// console.deliver(&DeliveryMessage {
///     id: "1".into(),
///     tenant: Tenant::default(),
///     to: DeliveryAddress::new(Channel::Sms, "+436641234567")?,
///     content: DeliveryContent::Notice(Notice::FactorRemoved),
/// }).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// It breaks contract D on purpose: the output holds the address and the code.
pub struct InsecureConsole {
    output: Mutex<Box<dyn Write + Send>>,
}

impl InsecureConsole {
    /// Writes to the standard output.
    #[must_use]
    pub fn to_stdout() -> Self {
        Self::to_writer(io::stdout())
    }

    /// Writes to this writer, one line at a time. The writer should not block for long.
    #[must_use]
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self {
            output: Mutex::new(Box::new(writer)),
        }
    }
}

impl fmt::Debug for InsecureConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InsecureConsole")
    }
}

#[async_trait]
impl OtpDelivery for InsecureConsole {
    fn carries(&self, _channel: Channel) -> bool {
        true
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        let channel = takes(self, message)?.as_str();
        let to = message.to.expose();
        let line = match &message.content {
            DeliveryContent::Code { code, .. } => {
                json!({"event": "otp", "channel": channel, "to": to, "code": code.expose()})
            }
            DeliveryContent::Notice(notice) => {
                json!({"event": "notice", "channel": channel, "to": to, "notice": word(*notice)})
            }
            _ => json!({"event": "other", "channel": channel, "to": to}),
        };
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| output.flush())
            // A part of the line may be out.
            .map_err(|error| {
                DeliveryError::with_source(
                    DeliveryErrorKind::Unknown,
                    io::Error::from(error.kind()),
                )
            })?;
        Ok(DeliveryReceipt::default())
    }
}

/// The one word of a notice, for machines.
pub(crate) const fn word(notice: Notice) -> &'static str {
    match notice {
        Notice::RecoveryCodeUsed { .. } => "recovery_code_used",
        Notice::RecoveryCodesReplaced => "recovery_codes_replaced",
        Notice::FactorConfirmed => "factor_confirmed",
        Notice::FactorRemoved => "factor_removed",
        Notice::FactorDisabled => "factor_disabled",
        _ => "other",
    }
}
