use std::str::FromStr;

use serde_json::{Map, Value as Json};

use super::date;
use crate::clock::Timestamp;
use crate::error::{Error, Reason};
use crate::identity::{Assurance, Audience, ClientId, FamilyId, Issuer, Subject, Tenant, TokenId};
use crate::json::{Limits, Value, read_object};
use crate::token::codec::MAX_TOKEN_BYTES;

/// Entries of `aud`, of `roles`, of `amr` and of `scope` at most, each.
const ENTRIES: usize = 128;
/// Bytes of a role, a scope, an `amr` value and `acr` at most, each.
const ENTRY_BYTES: usize = 255;

/// The claims that have a field of [`AccessClaims`]: no extra claim may have one of these names.
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

/// The claims of an access token (RFC 9068 section 2.2).
///
/// Reading is strict: a claim of another JSON type than its own makes the token malformed and never counts as
/// absent, a required claim that is missing as well (R-15, R-18). What can be read can be written and the reverse.
///
/// ```
/// use fountain_core::token::AccessClaims;
/// use fountain_core::{Reason, Timestamp};
///
/// let claims = AccessClaims::decode(
///     br#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1",
///          "iat":1700000000,"exp":1700000600,"scope":"orders:read orders:write","roles":["clerk"]}"#,
/// )?;
/// assert_eq!(claims.expires_at, Timestamp::from_unix_seconds(1_700_000_600));
/// assert_eq!(claims.scopes.unwrap(), ["orders:read", "orders:write"]);
///
/// // An expiry that is text is not an expiry, and not a missing one either.
/// let lax = AccessClaims::decode(
///     br#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1",
///          "iat":1700000000,"exp":"1700000600"}"#,
/// );
/// assert_eq!(lax.unwrap_err(), Reason::TokenClaims);
/// # Ok::<(), Reason>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AccessClaims {
    /// `iss`: who issued it. Required.
    pub issuer: Issuer,
    /// `sub`: whom it speaks for. Required.
    pub subject: Subject,
    /// `aud`: whom it is for; 1 to 128 entries. Required; a single text is read as one entry.
    pub audience: Vec<Audience>,
    /// `client_id`: which application it was issued to. Required.
    pub client: ClientId,
    /// `jti`: its id. Required.
    pub id: TokenId,
    /// `iat`: when it was issued. Required.
    pub issued_at: Timestamp,
    /// `exp`: from when on it is not good. Required.
    pub expires_at: Timestamp,
    /// `nbf`: before when it is not good.
    pub not_before: Option<Timestamp>,
    /// `tenant`: the tenant of the subject; [`Tenant::default`] in a token that names none.
    pub tenant: Tenant,
    /// `sid`: the token family that it belongs to.
    pub family: Option<FamilyId>,
    /// `scope`: at most 128 scope tokens of RFC 6749 section 3.3, in the order in which they stand. What they permit
    /// is for a role catalogue to say; one that it does not know permits nothing. A token that has the claim, and it
    /// is empty, permits nothing; `None` is a token without the claim.
    pub scopes: Option<Vec<String>>,
    /// `roles`: at most 128 names of 1 to 255 bytes, compared byte for byte. One that nobody knows permits nothing.
    /// Empty and `None` differ as they do for `scopes`.
    pub roles: Option<Vec<String>>,
    /// `acr`, `amr` and `auth_time`: how the subject authenticated.
    pub assurance: Assurance,
    /// Every other claim, as it stands. Together with the claims above at most 128 members at a depth of 16 (R-08).
    pub extra: Map<String, Json>,
}

impl AccessClaims {
    /// Claims without anything optional.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        subject: Subject,
        audience: Audience,
        client: ClientId,
        id: TokenId,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            issuer,
            subject,
            audience: vec![audience],
            client,
            id,
            issued_at,
            expires_at,
            not_before: None,
            tenant: Tenant::default(),
            family: None,
            scopes: None,
            roles: None,
            assurance: Assurance::default(),
            extra: Map::new(),
        }
    }

    /// Reads claims.
    ///
    /// # Errors
    /// `TokenJson` when the payload is not one strict JSON object within the bounds (R-08..R-10);
    /// `TokenClaims` when a required claim is missing or any claim is not of its type and form.
    ///
    /// # Security
    /// Whether they are true, a signature says; whether they are good now, `TokenRules::check`.
    pub fn decode(payload: &[u8]) -> Result<Self, Reason> {
        Self::decode_for(payload, None)
    }

    /// Reads claims that most likely are of this issuer and for this audience, and then shares their text.
    pub(super) fn decode_for(
        payload: &[u8],
        expected: Option<(&Issuer, &Audience)>,
    ) -> Result<Self, Reason> {
        let mut found = Found::default();
        let (expected_issuer, expected_audience) = expected.unzip();
        read_object(payload, Limits::object(MAX_TOKEN_BYTES), |name, value| {
            match name {
                "iss" => found.issuer = Some(text_or_shared(value, expected_issuer)?),
                "sub" => found.subject = Some(text(value)?),
                "aud" => found.audience = audience(value, expected_audience)?,
                "client_id" => found.client = Some(text(value)?),
                "jti" => found.id = Some(text(value)?),
                "iat" => found.issued_at = Some(date::read(value)?),
                "exp" => found.expires_at = Some(date::read(value)?),
                "nbf" => found.not_before = Some(date::read(value)?),
                "tenant" => found.tenant = Some(text(value)?),
                "sid" => found.family = Some(text(value)?),
                "scope" => found.scopes = Some(scopes(&value.string()?)?),
                "roles" => found.roles = Some(names(value)?),
                "acr" => found.assurance.acr = Some(entry(&value.string()?)?),
                "amr" => found.assurance.amr = names(value)?,
                "auth_time" => found.assurance.auth_time = Some(date::read(value)?),
                _ => {
                    // Checked by `raw` already, so that serde_json has nothing to refuse.
                    let json = serde_json::from_str(value.raw()?).map_err(|_| Reason::TokenJson)?;
                    found.extra.insert(name.to_owned(), json);
                }
            }
            Ok::<_, Reason>(())
        })?;
        found.complete().ok_or(Reason::TokenClaims)
    }

    /// Writes claims, compactly and always in the same order.
    ///
    /// Instants are written in seconds, with a fraction only where there is one; a default tenant and
    /// an empty `amr` are left out, and a single audience is written as one text.
    ///
    /// # Errors
    /// `InvalidInput` when `decode` would not read them: nothing that a verifier must refuse is ever signed.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.check_entries()?;
        let mut json = Writer::new();
        json.text("iss", self.issuer.as_str());
        json.text("sub", self.subject.as_str());
        match self.audience.as_slice() {
            [one] => json.text("aud", one.as_str()),
            several => json.texts("aud", several.iter().map(Audience::as_str)),
        }
        json.text("client_id", self.client.as_str());
        json.text("jti", self.id.as_str());
        json.date("iat", self.issued_at);
        json.date("exp", self.expires_at);
        if let Some(not_before) = self.not_before {
            json.date("nbf", not_before);
        }
        if self.tenant != Tenant::default() {
            json.text("tenant", self.tenant.as_str());
        }
        if let Some(family) = &self.family {
            json.text("sid", family.as_str());
        }
        if let Some(scopes) = &self.scopes {
            json.text("scope", &scopes.join(" "));
        }
        if let Some(roles) = &self.roles {
            json.texts("roles", roles.iter().map(String::as_str));
        }
        if let Some(acr) = &self.assurance.acr {
            json.text("acr", acr);
        }
        if !self.assurance.amr.is_empty() {
            json.texts("amr", self.assurance.amr.iter().map(String::as_str));
        }
        if let Some(auth_time) = self.assurance.auth_time {
            json.date("auth_time", auth_time);
        }
        for (name, value) in &self.extra {
            json.name(name);
            json.value(value);
        }
        let json = json.finish();
        // Without extra claims there are at most 15 members and 399 values, at a depth of two.
        let bounded = self.extra.is_empty() && json.len() <= MAX_TOKEN_BYTES;
        if !bounded {
            read_object(&json, Limits::object(MAX_TOKEN_BYTES), |_, value| {
                value.skip()
            })
            .map_err(|_| {
                Error::invalid(
                    "claims",
                    "give fewer, smaller or flatter ones: 128 members, depth 16, 64 KiB",
                )
            })?;
        }
        Ok(json)
    }

    fn check_entries(&self) -> Result<(), Error> {
        let dates = [
            Some(self.issued_at),
            Some(self.expires_at),
            self.not_before,
            self.assurance.auth_time,
        ];
        if !dates.into_iter().flatten().all(date::is_writable) {
            return Err(Error::invalid(
                "claims",
                "give instants between the years 1970 and 9999",
            ));
        }
        if !(1..=ENTRIES).contains(&self.audience.len()) {
            return Err(Error::invalid("audience", "give 1 to 128 audiences"));
        }
        let scopes = self.scopes.as_deref().unwrap_or_default();
        let roles = self.roles.as_deref().unwrap_or_default();
        if scopes.len() > ENTRIES || !scopes.iter().all(|scope| is_scope(scope)) {
            return Err(Error::invalid(
                "scopes",
                "give at most 128 scopes of 1 to 255 printable ASCII characters without a blank, '\"' or '\\'",
            ));
        }
        let names = || {
            roles
                .iter()
                .chain(&self.assurance.amr)
                .chain(&self.assurance.acr)
        };
        if roles.len() > ENTRIES
            || self.assurance.amr.len() > ENTRIES
            || !names().all(|name| is_entry(name))
        {
            return Err(Error::invalid(
                "roles, amr or acr",
                "give at most 128 texts of 1 to 255 bytes without control characters",
            ));
        }
        if self.extra.keys().any(|name| NAMED.contains(&name.as_str())) {
            return Err(Error::invalid(
                "extra",
                "a claim that has a field of its own belongs there",
            ));
        }
        Ok(())
    }
}

/// What was read so far.
#[derive(Default)]
struct Found {
    issuer: Option<Issuer>,
    subject: Option<Subject>,
    audience: Vec<Audience>,
    client: Option<ClientId>,
    id: Option<TokenId>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    tenant: Option<Tenant>,
    family: Option<FamilyId>,
    scopes: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    assurance: Assurance,
    extra: Map<String, Json>,
}

impl Found {
    /// The claims, unless a required one is missing.
    fn complete(self) -> Option<AccessClaims> {
        Some(AccessClaims {
            issuer: self.issuer?,
            subject: self.subject?,
            audience: Some(self.audience).filter(|audience| !audience.is_empty())?,
            client: self.client?,
            id: self.id?,
            issued_at: self.issued_at?,
            expires_at: self.expires_at?,
            not_before: self.not_before,
            tenant: self.tenant.unwrap_or_default(),
            family: self.family,
            scopes: self.scopes,
            roles: self.roles,
            assurance: self.assurance,
            extra: self.extra,
        })
    }
}

fn text<T: FromStr>(value: Value<'_, '_>) -> Result<T, Reason> {
    value.string()?.parse().map_err(|_| Reason::TokenClaims)
}

/// A text that equals the expected one shares its memory.
fn text_or_shared<T: Clone + AsRef<str> + FromStr>(
    value: Value<'_, '_>,
    expected: Option<&T>,
) -> Result<T, Reason> {
    let text = value.string()?;
    match expected {
        Some(expected) if expected.as_ref() == text => Ok(expected.clone()),
        _ => text.parse().map_err(|_| Reason::TokenClaims),
    }
}

fn audience(value: Value<'_, '_>, expected: Option<&Audience>) -> Result<Vec<Audience>, Reason> {
    if value.is_string() {
        return Ok(vec![text_or_shared(value, expected)?]);
    }
    let mut audiences = Vec::new();
    value.elements(|element| {
        audiences.push(text_or_shared(element, expected)?);
        within(audiences.len())
    })?;
    Ok(audiences)
}

fn names(value: Value<'_, '_>) -> Result<Vec<String>, Reason> {
    let mut names = Vec::new();
    value.elements(|element| {
        names.push(entry(&element.string()?)?);
        within(names.len())
    })?;
    Ok(names)
}

fn entry(text: &str) -> Result<String, Reason> {
    if is_entry(text) {
        Ok(text.to_owned())
    } else {
        Err(Reason::TokenClaims)
    }
}

/// `scope = scope-token *( SP scope-token )`; an empty text holds none.
fn scopes(text: &str) -> Result<Vec<String>, Reason> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut scopes = Vec::new();
    for scope in text.split(' ') {
        if !is_scope(scope) {
            return Err(Reason::TokenClaims);
        }
        scopes.push(scope.to_owned());
        within(scopes.len())?;
    }
    Ok(scopes)
}

fn within(entries: usize) -> Result<(), Reason> {
    if entries > ENTRIES {
        return Err(Reason::TokenClaims);
    }
    Ok(())
}

fn is_entry(text: &str) -> bool {
    (1..=ENTRY_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// `scope-token` of RFC 6749 section 3.3: printable ASCII but for the blank, the quote and the backslash.
fn is_scope(text: &str) -> bool {
    (1..=ENTRY_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// Writes one object.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        let mut json = Vec::with_capacity(512);
        json.push(b'{');
        Self(json)
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.value(name);
        self.0.push(b':');
    }

    fn value<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        // Neither writing to a vector nor serialising text, integers or a JSON value fails.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.value(text);
    }

    fn texts<'t>(&mut self, name: &str, texts: impl Iterator<Item = &'t str>) {
        self.name(name);
        self.0.push(b'[');
        for (at, text) in texts.enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            self.value(text);
        }
        self.0.push(b']');
    }

    fn date(&mut self, name: &str, at: Timestamp) {
        self.name(name);
        date::write(at, &mut self.0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
pub(crate) mod tests;
