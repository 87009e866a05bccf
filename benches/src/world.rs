//! The token that everybody reads, and the keys as everybody holds them.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use fountain_core::signing::{Algorithm, Kid, SigningKey};
use fountain_core::token::{AccessClaims, KeySet, TokenRules, TokenSigner, TrustedKey};
use fountain_core::{Clock, OsRandom, SystemClock, Timestamp};
use jsonwebtoken as theirs;

/// Who issues.
pub const ISSUER: &str = "https://auth.example.com/realms/production";
/// Whom the tokens are for.
pub const AUDIENCE: &str = "https://orders.example.com";

/// One issuer's key, as Fountain and as jsonwebtoken hold it.
#[derive(Debug)]
pub struct Keys {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Fountain's.
    pub key: Arc<SigningKey>,
    /// Fountain's signer.
    pub signer: TokenSigner,
    /// Fountain's set of one.
    pub set: KeySet,
    /// What tokens must be like.
    pub rules: TokenRules,
    /// jsonwebtoken's.
    pub encoding: theirs::EncodingKey,
    /// jsonwebtoken's.
    pub decoding: theirs::DecodingKey,
    /// What jsonwebtoken asks of tokens.
    pub validation: theirs::Validation,
    /// The private key in the form that the algorithm has.
    pub private: Vec<u8>,
}

impl Keys {
    /// New keys; RSA ones have 2048 bits.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                SigningKey::from_pkcs8_der(algorithm, der.as_ref()).unwrap()
            }
            _ => SigningKey::generate(algorithm, &OsRandom).unwrap(),
        };
        let private = key.export().unwrap().expose().to_vec();
        let encoding = match algorithm {
            Algorithm::EdDsa => theirs::EncodingKey::from_ed_der(&private),
            Algorithm::Es256 => theirs::EncodingKey::from_ec_der(&private),
            // PKCS#1 is what PKCS#8 holds behind its first 26 bytes.
            Algorithm::Rs256 => {
                theirs::EncodingKey::from_rsa_der(private.get(26..).unwrap_or_default())
            }
            _ => theirs::EncodingKey::from_secret(&private),
        };
        let their_algorithm = algorithm.as_str().parse().unwrap();
        let jwk = theirs::jwk::Jwk::from_encoding_key(&encoding, their_algorithm).unwrap();
        let mut validation = theirs::Validation::new(their_algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let kid = Kid::new("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").unwrap();
        let trusted = TrustedKey::new(kid.clone(), key.verifying_key().clone());
        let key = Arc::new(key);
        Self {
            algorithm,
            signer: TokenSigner::new(kid, Arc::clone(&key)),
            set: KeySet::new([trusted], []).unwrap(),
            rules: TokenRules::builder()
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .algorithm(algorithm)
                .max_life(Duration::from_secs(86_400))
                .build()
                .unwrap(),
            encoding,
            decoding: theirs::DecodingKey::from_jwk(&jwk).unwrap(),
            validation,
            private,
            key,
        }
    }

    /// The token, signed by Fountain; jsonwebtoken reads the same text.
    #[must_use]
    pub fn token(&self, now: Timestamp) -> String {
        self.signer.sign_access(&claims(now)).unwrap()
    }
}

/// Ten claims, good for a day.
#[must_use]
pub fn claims(now: Timestamp) -> AccessClaims {
    let (iat, exp) = (now.as_unix_seconds(), now.as_unix_seconds() + 86_400);
    let json = format!(
        r#"{{"iss":"{ISSUER}","sub":"auth0|5f7c8ec7c33c6c004bbafe82","aud":"{AUDIENCE}","client_id":"storefront-web","jti":"4fYk0r6bT3sJ1mQx8ZpW2nLdVhG","iat":{iat},"exp":{exp},"tenant":"acme-europe","scope":"orders:read orders:write invoices:read","roles":["clerk","auditor"]}}"#
    );
    AccessClaims::decode(json.as_bytes()).unwrap()
}

/// The same claims in a struct, as a user of jsonwebtoken writes it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names are the claims'")]
pub struct TheirClaims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub client_id: String,
    pub jti: String,
    pub iat: i64,
    pub exp: i64,
    pub tenant: String,
    pub scope: String,
    pub roles: Vec<String>,
}

/// The system's clocks, read at their price; but what is remembered never grows old, however long a run takes.
#[derive(Debug)]
pub struct PatientClock {
    system: SystemClock,
    began: Duration,
}

impl PatientClock {
    /// A clock whose monotonic reading stands still.
    #[must_use]
    pub fn new() -> Self {
        let system = SystemClock::new();
        Self {
            began: system.monotonic(),
            system,
        }
    }
}

impl Default for PatientClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for PatientClock {
    fn now(&self) -> Timestamp {
        self.system.now()
    }

    fn monotonic(&self) -> Duration {
        std::hint::black_box(self.system.monotonic());
        self.began
    }
}

/// The outcome of a future that never has to wait for anybody.
pub fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// Waits for a future that another thread makes ready, asleep until then.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
