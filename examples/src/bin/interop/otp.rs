//! One-time passwords: what an otpauth URI says, its codes, and whether a code is accepted.

use fountain_core::otp::{
    Digits, Hotp, HotpOutcome, OtpAlgorithm, OtpSecret, OtpauthUri, OtpauthUse, Totp, TotpOutcome,
};
use fountain_core::{SecretBytes, Timestamp};
use serde_json::{Value, json};

use super::{BoxError, text};

/// The URI of a secret, as Fountain writes it.
pub(super) fn uri(request: &Value) -> Result<Value, BoxError> {
    let bytes = request.get("secret").cloned().unwrap_or_default();
    let secret = OtpSecret::from_bytes(SecretBytes::new(serde_json::from_value(bytes)?))?;
    let part = |name| request.get(name).cloned().unwrap_or_default();
    let algorithm: OtpAlgorithm = serde_json::from_value(part("algorithm"))?;
    let digits: Digits = serde_json::from_value(part("digits"))?;
    let (issuer, account) = (text(request, "issuer")?, text(request, "account")?);
    let uri = match part("counter").as_u64() {
        None => Totp::new(secret)
            .algorithm(algorithm)
            .digits(digits)
            .period(serde_json::from_value(part("period"))?)?
            .uri(issuer, account)?,
        Some(counter) => Hotp::new(secret)
            .algorithm(algorithm)
            .digits(digits)
            .uri(issuer, account, counter)?,
    };
    Ok(json!({ "uri": uri.expose() }))
}

/// What a URI says, as Fountain reads it.
pub(super) fn read(request: &Value) -> Result<Value, BoxError> {
    let uri = OtpauthUri::parse(text(request, "uri")?)?;
    let (period, counter) = match uri.usage() {
        OtpauthUse::Totp { period } => (Some(period), None),
        OtpauthUse::Hotp { counter } => (None, Some(counter)),
    };
    Ok(json!({
        "secret": uri.secret().expose(),
        "algorithm": uri.algorithm(),
        "digits": uri.digits(),
        "period": period,
        "counter": counter,
        "issuer": uri.issuer(),
        "account": uri.account(),
    }))
}

/// The codes of a URI at these seconds, or of these counters.
pub(super) fn codes(request: &Value) -> Result<Value, BoxError> {
    let uri = OtpauthUri::parse(text(request, "uri")?)?;
    let at: Vec<u64> = serde_json::from_value(request.get("at").cloned().unwrap_or_default())?;
    let code = |at: u64| match (uri.totp(), uri.hotp()) {
        (Some(totp), _) => totp.code_at(seconds(at)),
        (None, hotp) => hotp.map(|(hotp, _)| hotp.code_at(at)),
    };
    let codes: Option<Vec<_>> = at
        .into_iter()
        .map(|at| code(at).map(|code| code.expose().to_owned()))
        .collect();
    Ok(json!({ "codes": codes.ok_or("there is no code at one of these times")? }))
}

/// Whether each code is accepted at its second, or for its counter.
pub(super) fn verify(request: &Value) -> Result<Value, BoxError> {
    let uri = OtpauthUri::parse(text(request, "uri")?)?;
    let pairs = request.get("pairs").cloned().unwrap_or_default();
    let pairs: Vec<(u64, String)> = serde_json::from_value(pairs)?;
    let accepted = |(at, code): &(u64, String)| match (uri.totp(), uri.hotp()) {
        (Some(totp), _) => {
            let outcome = totp.verify(code, seconds(*at), None);
            matches!(outcome, TotpOutcome::Accepted { .. })
        }
        (None, Some((hotp, _))) => {
            matches!(hotp.verify(code, *at), HotpOutcome::Accepted { .. })
        }
        (None, None) => false,
    };
    let results: Vec<bool> = pairs.iter().map(accepted).collect();
    Ok(json!({ "results": results }))
}

fn seconds(at: u64) -> Timestamp {
    Timestamp::from_unix_seconds(at.cast_signed())
}
