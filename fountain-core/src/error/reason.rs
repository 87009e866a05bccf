use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $label:literal,)+) => {
        /// The precise cause of a refusal: a closed set, so that it can label a metric.
        ///
        /// Shown to operators in metrics and the log, never to the client that was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $label)] $variant,)+
        }

        impl Reason {
            /// Every reason, for tests and for registering metrics.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its place in [`Reason::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                // A fieldless enum's discriminants count up from 0.
                self as usize
            }

            /// The stable label: lower case, words joined by `_`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

reasons! {
    /// No credential in the request.
    CredentialMissing = "credential_missing",
    /// The `Authorization` header is not well-formed.
    CredentialMalformed = "credential_malformed",
    /// The `Authorization` header has a scheme that is not ours, such as `Basic`.
    CredentialScheme = "credential_scheme",
    /// More than one credential in the request.
    CredentialAmbiguous = "credential_ambiguous",
    /// A credential where none may be: query, body, cookie.
    CredentialMisplaced = "credential_misplaced",

    /// Larger than the bound, before anything is decoded.
    TokenTooLarge = "token_too_large",
    /// Not three base64url parts in canonical form.
    TokenMalformed = "token_malformed",
    /// Header or claims are not one JSON object within the bounds, without duplicates (R-08..R-10).
    TokenJson = "token_json",
    /// The header holds a member that is refused: `crit`, `b64`, `zip`, `jku`, `x5u`, `jwk`, `x5c`.
    TokenHeader = "token_header",
    /// `alg` is missing, unknown or not on the allow-list.
    TokenAlgorithm = "token_algorithm",
    /// `alg` is not the one that the key is bound to.
    TokenAlgorithmMismatch = "token_algorithm_mismatch",
    /// `typ` is not the one that this verifier accepts.
    TokenType = "token_type",
    /// `kid` is missing or not well-formed.
    TokenKeyId = "token_key_id",
    /// No key with this `kid` and issuer.
    TokenUnknownKey = "token_unknown_key",
    /// The key exists but may not verify now: pending, removed or revoked, or retired before the token (B-14).
    TokenKeyState = "token_key_state",
    /// The signature does not verify.
    TokenSignature = "token_signature",
    /// A required claim is missing or has the wrong type.
    TokenClaims = "token_claims",
    /// `iss` is not the expected issuer.
    TokenIssuer = "token_issuer",
    /// `aud` does not hold the expected audience.
    TokenAudience = "token_audience",
    /// `exp` has passed.
    TokenExpired = "token_expired",
    /// `nbf` has not come.
    TokenNotYetValid = "token_not_yet_valid",
    /// `iat` lies in the future.
    TokenIssuedInFuture = "token_issued_in_future",
    /// `exp - iat` is longer than the rules allow, or the token ends before it begins.
    TokenLifetime = "token_lifetime",
    /// The token, its family or its subject was revoked.
    TokenRevoked = "token_revoked",
    /// A host's `TokenPolicy` refused.
    TokenPolicy = "token_policy",
    /// The token is of another tenant.
    TokenTenant = "token_tenant",
    /// The keys of a remote issuer cannot be had.
    TokenIssuerKeysUnavailable = "token_issuer_keys_unavailable",

    /// Not of the key format, or its checksum is wrong.
    KeyMalformed = "key_malformed",
    /// No such key, or its digest differs.
    KeyUnknown = "key_unknown",
    /// Revoked.
    KeyRevoked = "key_revoked",
    /// Disabled by an administrator.
    KeyDisabled = "key_disabled",
    /// Past its expiry.
    KeyExpired = "key_expired",
    /// Before its first instant.
    KeyNotYetValid = "key_not_yet_valid",
    /// Rotated, and the overlap is over.
    KeySuperseded = "key_superseded",
    /// Its owner is disabled or erased.
    KeyOwnerDisabled = "key_owner_disabled",

    /// No such refresh token.
    RefreshUnknown = "refresh_unknown",
    /// A spent refresh token came back: its family is ended.
    RefreshReused = "refresh_reused",
    /// Past its idle or absolute life.
    RefreshExpired = "refresh_expired",
    /// The family was revoked.
    RefreshRevoked = "refresh_revoked",
    /// Presented by another client or with another binding.
    RefreshBinding = "refresh_binding",
    /// A wider scope was asked for.
    RefreshScope = "refresh_scope",

    /// Nobody signs in by this name.
    LoginUnknown = "login_unknown",
    /// The password is another.
    PasswordWrong = "password_wrong",
    /// A lock stands: nothing was judged.
    Locked = "locked",
    /// The code is another, or is none at all.
    CodeWrong = "code_wrong",
    /// The code was used before.
    CodeReplayed = "code_replayed",
    /// The code that was sent has ended, or another was sent since.
    CodeExpired = "code_expired",
    /// A code of a time that lies behind the last one taken: this node's clock, or another's, has jumped (F-30).
    ClockBehind = "clock_behind",
    /// No such challenge, or it is for something else: another subject, purpose or act (B-60).
    ChallengeUnknown = "challenge_unknown",
    /// The challenge has ended, or was answered before.
    ChallengeEnded = "challenge_ended",
    /// As many answers were given to the challenge as are judged.
    ChallengeExhausted = "challenge_exhausted",
    /// The subject has no such second factor.
    FactorUnknown = "factor_unknown",
    /// The factor is not confirmed yet, or was not in time.
    FactorPending = "factor_pending",
    /// The factor is disabled: it is to be bound anew.
    FactorDisabled = "factor_disabled",
    /// The act needs a grant by step-up, and none came.
    GrantMissing = "grant_missing",
    /// The grant by step-up is not ours, has ended, or is for another act, session or subject.
    GrantInvalid = "grant_invalid",
    /// The grant by step-up was used before.
    GrantSpent = "grant_spent",

    /// The subject is disabled or erased.
    SubjectDisabled = "subject_disabled",
    /// No grant for what the requirement asks.
    PermissionMissing = "permission_missing",
    /// The authentication is not strong or not fresh enough.
    AssuranceTooLow = "assurance_too_low",
    /// The kind of credential is not admitted here.
    CredentialKind = "credential_kind",
    /// A quota is used up.
    QuotaExceeded = "quota_exceeded",

    /// A layer or a role catalogue that had to be there was not: the host is put together wrongly.
    Unwired = "unwired",
    /// A store does not answer.
    StoreUnavailable = "store_unavailable",
    /// A stored record cannot be read.
    StoreCorrupt = "store_corrupt",
    /// As many passwords wait to be hashed as may.
    PasswordWorkersBusy = "password_workers_busy",
    /// The decision took longer than its deadline.
    DeadlineExceeded = "deadline_exceeded",
}
