use super::{FindingKind, Findings, Severity, TxtLookup, tag, tags};

/// How far up the record is looked for, in look-ups.
const LOOKUPS: usize = 8;

/// The record of the domain, or of the nearest domain above it. Which one an organisation's is, only a list of public suffixes
/// knows: the search ends at two labels.
pub(super) async fn check(
    lookup: &dyn TxtLookup,
    domain: &str,
    signers: impl Iterator<Item = &str>,
    findings: &mut Findings,
) {
    let mut at = domain;
    for _ in 0..LOOKUPS {
        let name = format!("_dmarc.{at}");
        let Some(records) = findings.look_up(lookup, &name).await else {
            return;
        };
        let mut records = records.iter().filter(|record| is_dmarc(record));
        if let Some(record) = records.next() {
            if records.next().is_some() {
                return findings.add(
                    FindingKind::DmarcTwice,
                    Severity::Error,
                    &name,
                    "publish one record: receivers take two for none",
                );
            }
            return judge(record, &name, domain, at, signers, findings);
        }
        match at.split_once('.') {
            Some((_, parent)) if parent.contains('.') => at = parent,
            _ => break,
        }
    }
    findings.add(
        FindingKind::DmarcMissing,
        Severity::Error,
        &format!("_dmarc.{domain}"),
        "publish one TXT record, such as v=DMARC1; p=quarantine; rua=mailto:dmarc@your-domain",
    );
}

fn is_dmarc(record: &str) -> bool {
    let version = record.split(';').next().unwrap_or_default();
    version
        .split_once('=')
        .is_some_and(|(name, value)| name.trim() == "v" && value.trim() == "DMARC1")
}

fn judge<'a>(
    record: &str,
    name: &str,
    domain: &str,
    at: &str,
    mut signers: impl Iterator<Item = &'a str>,
    findings: &mut Findings,
) {
    let fields = tags(record).unwrap_or_default();
    let own = tag(&fields, "p");
    let inherited = tag(&fields, "sp").or(own);
    let policy = if at == domain { own } else { inherited };
    match policy.map(str::to_ascii_lowercase).as_deref() {
        Some("quarantine" | "reject") => {}
        Some("none") => findings.add(
            FindingKind::DmarcPolicyNone,
            Severity::Warning,
            name,
            "raise it to p=quarantine or p=reject once the reports are clean",
        ),
        _ => findings.add(
            FindingKind::DmarcUnreadable,
            Severity::Error,
            name,
            "correct the record: it needs p=none, p=quarantine or p=reject",
        ),
    }
    if tag(&fields, "pct").is_some_and(|pct| pct.parse() != Ok(100_u8)) {
        findings.add(
            FindingKind::DmarcPartial,
            Severity::Warning,
            name,
            "take pct out: the policy is for a part of the mails only",
        );
    }
    if tag(&fields, "rua").is_none() {
        findings.add(
            FindingKind::DmarcNoReports,
            Severity::Note,
            name,
            "add rua=mailto:…, to hear of mails that fail",
        );
    }
    let strict = tag(&fields, "adkim").is_some_and(|mode| mode.eq_ignore_ascii_case("s"));
    let below = |one: &str, other: &str| {
        one.strip_suffix(other)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    let aligned = |signer: &str| {
        signer == domain || (!strict && (below(signer, domain) || below(domain, signer)))
    };
    if signers.any(|signer| !aligned(signer)) {
        findings.add(
            FindingKind::DmarcUnaligned,
            Severity::Error,
            name,
            "sign as the sender's own domain: the signature of another does not count",
        );
    }
}
