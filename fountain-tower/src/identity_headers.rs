use http::{HeaderMap, HeaderName};

/// The headers by which proxies tell a service who the caller is, stripped by default (R-87, B-69).
///
/// A caller can write them just as well, so that whoever believes them can be told anything.
pub const DEFAULT_IDENTITY_HEADERS: &[&str] = &[
    "remote-groups",
    "remote-user",
    "x-auth-request-access-token",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-auth-request-user",
    "x-authenticated-user",
    "x-forwarded-access-token",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-groups",
    "x-permissions",
    "x-principal",
    "x-remote-user",
    "x-role",
    "x-roles",
    "x-scope",
    "x-scopes",
    "x-subject",
    "x-tenant",
    "x-tenant-id",
    "x-user",
    "x-user-email",
    "x-user-id",
    "x-user-name",
    "x-user-roles",
    "x-username",
];

/// The headers to strip. `_` counts as `-`: what follows behind this service may read both alike.
#[derive(Debug)]
pub(crate) struct IdentityHeaders {
    names: Box<[Box<str>]>,
    /// Bit `n`: some name has `n` bytes. Most headers of a request are ruled out by this.
    lengths: u64,
}

impl IdentityHeaders {
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Box<[Box<str>]> = names
            .into_iter()
            .map(|name| name.to_ascii_lowercase().replace('_', "-").into())
            .collect();
        Self {
            lengths: names.iter().fold(0, |bits, name| bits | length_bit(name)),
            names,
        }
    }

    /// Whether the header of this name is to be stripped.
    #[inline]
    pub(crate) fn covers(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        self.lengths & length_bit(name) != 0 && self.names.iter().any(|known| is_same(known, name))
    }

    /// Takes them out.
    #[cold]
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let found: Vec<HeaderName> = headers
            .keys()
            .filter(|name| self.covers(name))
            .cloned()
            .collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// Names of 63 bytes and more share the last bit.
fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}

/// `known` is in lower case and without `_`; a [`HeaderName`] is in lower case.
fn is_same(known: &str, name: &str) -> bool {
    known.len() == name.len()
        && known
            .bytes()
            .zip(name.bytes())
            .all(|(known, byte)| known == byte || (known == b'-' && byte == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-69
    #[test]
    fn every_listed_header_is_stripped_in_every_spelling_and_number() {
        let identity = IdentityHeaders::new(DEFAULT_IDENTITY_HEADERS.iter().copied());
        let mut headers = HeaderMap::new();
        headers.insert("accept", "*/*".parse().unwrap());
        headers.insert("x-request-id", "1".parse().unwrap());
        for name in DEFAULT_IDENTITY_HEADERS {
            let odd = name.replace('-', "_");
            for name in [*name, &odd] {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.append(name.clone(), "admin".parse().unwrap());
                headers.append(name, "root".parse().unwrap());
            }
        }
        identity.strip(&mut headers);
        assert_eq!(headers.len(), 2, "{headers:?}");
    }

    #[test]
    fn a_host_names_them_in_any_case_and_length() {
        let long = format!("X-{}", "a".repeat(100));
        let identity = IdentityHeaders::new(["X_Company_User", &long]);
        for covered in ["x-company-user", "x_company_user", &long.to_lowercase()] {
            assert!(identity.covers(&covered.parse().unwrap()), "{covered}");
        }
        assert!(!identity.covers(&"x-company-uses".parse().unwrap()));
        assert!(!IdentityHeaders::new([]).covers(&"x-user-id".parse().unwrap()));
    }
}
