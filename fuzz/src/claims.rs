//! The claims of an access token, read strictly.
//!
//! What is accepted, serde_json reads as well, and finds the same values and no name twice; it can be written, and
//! what is written reads as the same claims and is written in the same way again.

use fountain_core::token::AccessClaims;
use fountain_core::{Tenant, Timestamp};
use serde_json::{Map, Value};

use crate::world::CLAIMS;
use crate::{Seed, Verdict, hold, plain};

/// The longest input whose claims must be writable: numbers can grow when they are written, to less than twice that.
const WRITABLE: usize = 32 * 1024;

pub fn check(data: &[u8]) -> Verdict {
    let Ok(claims) = AccessClaims::decode(data) else {
        return Verdict::Refused;
    };
    let plain = plain::object(data).expect("accepted claims are JSON without a name twice");
    agree(&claims, &plain);
    if data.len() <= WRITABLE {
        let written = claims.encode().expect("what was read can be written");
        let again = AccessClaims::decode(&written).expect("what was written can be read");
        assert_eq!(again, claims);
        assert_eq!(again.encode().expect("and be written"), written);
    }
    Verdict::Accepted
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let without_start = &CLAIMS[1..];
    vec![
        ("accepted-usual", CLAIMS.into()),
        (
            "accepted-all",
            format!(
                r#"{{"nbf":1800000000.5,"sid":"0123456789ABCDEFGHIJKL","acr":"urn:fountain:acr:mfa","amr":["pwd","otp"],"auth_time":1799999000,{without_start}"#
            )
            .into(),
        ),
        (
            "accepted-extra",
            format!(
                r#"{{"cnf":{{"jkt":"x"}},"n":[1,-1,0.5,1e300,18446744073709551615,true,null,{{"a":{{}}}}],"\u00e9\ud83d\ude00":"\"\\\/\b\f\n\r\t",{without_start}"#
            )
            .into(),
        ),
        (
            "accepted-audiences-and-dates",
            CLAIMS
                .replace(r#""orders","#, r#"["orders","billing"],"#)
                .replace("1800000600", "18000006001234567e-7")
                .into(),
        ),
        ("refused-name-twice", format!(r#"{{"sub":"u2",{without_start}"#).into()),
        ("refused-escaped-name-twice", format!(r#"{{"s\u0075b":"u2",{without_start}"#).into()),
        ("refused-text-expiry", CLAIMS.replace("1800000600", "\"1800000600\"").into()),
        ("refused-lone-surrogate", format!(r#"{{"x":"\ud800",{without_start}"#).into()),
        ("refused-deep", format!("{{\"x\":{}{},{without_start}", "[".repeat(20), "]".repeat(20)).into()),
        ("refused-trailing", format!("{CLAIMS} x").into()),
    ]
}

/// The claims that have a field of their own.
const NAMED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "client_id",
    "jti",
    "iat",
    "exp",
    "nbf",
    "tenant",
    "sid",
    "scope",
    "roles",
    "acr",
    "amr",
    "auth_time",
];

/// Panics unless the claims say what the plain object says.
pub(crate) fn agree(claims: &AccessClaims, plain: &Map<String, Value>) {
    let text = |name: &str| plain.get(name).map(|value| value.as_str().expect("a text"));
    let texts = |name: &str| -> Vec<&str> {
        let elements = plain
            .get(name)
            .map(|value| value.as_array().expect("a list"));
        let texts = elements.into_iter().flatten();
        texts.map(|one| one.as_str().expect("a text")).collect()
    };
    assert_eq!(text("iss"), Some(claims.issuer.as_str()));
    assert_eq!(text("sub"), Some(claims.subject.as_str()));
    assert_eq!(text("client_id"), Some(claims.client.as_str()));
    assert_eq!(text("jti"), Some(claims.id.as_str()));
    let tenant = text("tenant").map_or_else(Tenant::default, |tenant| {
        Tenant::new(tenant).expect("a tenant")
    });
    assert_eq!(tenant, claims.tenant);
    assert_eq!(text("sid"), claims.family.as_ref().map(AsRef::as_ref));
    assert_eq!(text("acr"), claims.assurance.acr.as_deref());
    assert_eq!(plain.contains_key("roles"), claims.roles.is_some());
    assert_eq!(texts("roles"), claims.roles.as_deref().unwrap_or_default());
    assert_eq!(texts("amr"), claims.assurance.amr);
    let scope = claims.scopes.as_ref().map(|scopes| scopes.join(" "));
    assert_eq!(text("scope"), scope.as_deref());
    let audience = match plain.get("aud") {
        Some(Value::String(one)) => vec![one.as_str()],
        _ => texts("aud"),
    };
    assert!(
        audience
            .iter()
            .copied()
            .eq(claims.audience.iter().map(AsRef::<str>::as_ref))
    );
    for (name, read) in [
        ("iat", Some(claims.issued_at)),
        ("exp", Some(claims.expires_at)),
        ("nbf", claims.not_before),
        ("auth_time", claims.assurance.auth_time),
    ] {
        match (plain.get(name), read) {
            (None, None) => {}
            (Some(value), Some(read)) => same_date(value, read),
            (value, read) => panic!("{name}: {value:?} was read as {read:?}"),
        }
    }
    let extra = plain
        .iter()
        .filter(|(name, _)| !NAMED.contains(&name.as_str()));
    assert_eq!(extra.clone().count(), claims.extra.len());
    for (name, value) in extra {
        assert_eq!(claims.extra.get(name), Some(value), "{name}");
    }
}

/// A double of this size tells apart what is a quarter of a microsecond to 30 microseconds apart.
#[expect(clippy::cast_precision_loss, reason = "the tolerance below is for it")]
fn same_date(value: &Value, read: Timestamp) {
    let seconds = value.as_f64().expect("a number");
    // The last instants of the year 9999 are read as the last one that a timestamp can hold.
    let micros = (seconds * 1e6).min(Timestamp::MAX.as_unix_micros() as f64);
    let error = (micros - read.as_unix_micros() as f64).abs();
    assert!(
        error <= 1.0 + micros.abs() * 4.0 * f64::EPSILON,
        "{value} was read as {read:?}"
    );
}
