/// What a signed token is for.
///
/// Each kind has its own `typ`, so that no token can stand in for one of another kind (R-14, RFC 9068
/// section 2.1, RFC 8725 section 3.11).
///
/// ```
/// use fountain_core::token::TokenKind;
///
/// assert!(TokenKind::Access.accepts("at+jwt"));
/// assert!(TokenKind::Access.accepts("application/AT+JWT"));
/// assert!(!TokenKind::Access.accepts("JWT"));
/// assert!(!TokenKind::StepUp.accepts("at+jwt"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// An access token (RFC 9068): `at+jwt`.
    Access,
    /// The signed proof that a step-up succeeded: `fountain-step-up+jwt`.
    StepUp,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Access, Self::StepUp];

    /// The `typ` that tokens of this kind are issued with.
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::StepUp => "fountain-step-up+jwt",
        }
    }

    /// Whether a token with this `typ` is of this kind.
    ///
    /// `typ` is a media type (RFC 7515 section 4.1.9): its `application/` may be left out, and it is compared
    /// without regard to case, as media types are (RFC 6838 section 4.2). No two kinds differ in case only.
    #[must_use]
    pub fn accepts(self, typ: &str) -> bool {
        const PREFIX: &str = "application/";
        let subtype = match typ.split_at_checked(PREFIX.len()) {
            Some((prefix, subtype)) if prefix.eq_ignore_ascii_case(PREFIX) => subtype,
            _ => typ,
        };
        subtype.eq_ignore_ascii_case(self.typ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-14
    #[test]
    fn each_kind_accepts_its_own_type_and_no_other() {
        for kind in TokenKind::ALL {
            for other in TokenKind::ALL {
                for typ in [
                    other.typ().to_owned(),
                    format!("application/{}", other.typ()),
                ] {
                    assert_eq!(kind.accepts(&typ), kind == other, "{kind:?} {typ}");
                }
            }
        }
    }

    /// B-37
    #[test]
    fn other_types_are_of_no_kind() {
        for typ in [
            "",
            "JWT",
            "jwt",
            "dpop+jwt",
            "logout+jwt",
            "secevent+jwt",
            "at+jwt ",
            " at+jwt",
            "at+jwt\0",
            "at+jwts",
            "application/",
            "application/application/at+jwt",
            "text/at+jwt",
            "at+jwt; charset=utf-8",
            "é+jwt+at+jwt",
        ] {
            assert!(
                !TokenKind::ALL.iter().any(|kind| kind.accepts(typ)),
                "{typ:?}"
            );
        }
    }
}
