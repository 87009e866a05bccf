use super::{FindingKind, Findings, Severity, TxtLookup};

/// How many terms may cause a look-up (RFC 7208 section 4.6.4).
const LOOKUPS: usize = 10;

/// What a record says of who is named nowhere else.
enum End {
    All(char),
    Redirect(String),
    Open,
}

struct Record {
    includes: Vec<String>,
    lookups: usize,
    allows_all: bool,
    end: End,
}

pub(super) async fn check(lookup: &dyn TxtLookup, domain: &str, findings: &mut Findings) {
    let mut waiting = vec![(domain.to_owned(), false)];
    let mut lookups = 0;
    while let Some((name, included)) = waiting.pop() {
        let Some(records) = findings.look_up(lookup, &name).await else {
            return;
        };
        let mut records = records.iter().filter(|record| is_spf(record));
        let Some(record) = records.next() else {
            let (what, hint) = if name == domain {
                (
                    FindingKind::SpfMissing,
                    "publish one TXT record, such as v=spf1 include:your-mail-service -all",
                )
            } else {
                (
                    FindingKind::SpfIncludeMissing,
                    "take the include or redirect to this name out: receivers take the whole record for none",
                )
            };
            findings.add(what, Severity::Error, &name, hint);
            return;
        };
        if records.next().is_some() {
            findings.add(
                FindingKind::SpfTwice,
                Severity::Error,
                &name,
                "join the v=spf1 records into one: receivers take two for none",
            );
            return;
        }
        let Some(record) = Record::read(record) else {
            findings.add(
                FindingKind::SpfUnreadable,
                Severity::Error,
                &name,
                "correct the record: it has a term that RFC 7208 does not know",
            );
            return;
        };
        lookups += record.lookups;
        if lookups > LOOKUPS {
            findings.add(
                FindingKind::SpfTooManyLookups,
                Severity::Error,
                domain,
                "name addresses (ip4, ip6) in place of includes: more than 10 look-ups count as no record",
            );
            return;
        }
        if record.allows_all {
            findings.add(
                FindingKind::SpfAllowsAll,
                Severity::Error,
                &name,
                "end it by -all: as it is, anybody may send in the domain's name",
            );
        }
        // What an included record says of everybody else does not count.
        match record.end {
            End::Redirect(target) => waiting.push((target, included)),
            End::All('?') | End::Open if !included => findings.add(
                FindingKind::SpfOpenEnded,
                Severity::Warning,
                &name,
                "end it by -all or ~all, so that others' mails in the domain's name are told apart",
            ),
            _ => {}
        }
        waiting.extend(record.includes.into_iter().map(|name| (name, true)));
    }
}

fn is_spf(record: &str) -> bool {
    let version = record.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

impl Record {
    /// None when it has a term that is none.
    fn read(text: &str) -> Option<Self> {
        let mut record = Self {
            includes: Vec::new(),
            lookups: 0,
            allows_all: false,
            end: End::Open,
        };
        let mut redirect = None;
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            let term = term.to_ascii_lowercase();
            let at = term.find([':', '/', '=']).unwrap_or(term.len());
            let (name, rest) = term.split_at_checked(at)?;
            if rest.starts_with('=') {
                let modifier = name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
                if !modifier || name.is_empty() {
                    return None;
                }
                if name == "redirect" {
                    redirect = Some(rest.trim_start_matches('=').to_owned());
                }
                continue;
            }
            let (qualifier, name) = match name.strip_prefix(['+', '-', '~', '?']) {
                Some(bare) => (name.chars().next()?, bare),
                None => ('+', name),
            };
            // A term behind `all` is never reached.
            if matches!(record.end, End::All(_)) {
                continue;
            }
            let argument = rest.strip_prefix(':');
            match name {
                "all" if rest.is_empty() => {
                    record.allows_all |= qualifier == '+';
                    record.end = End::All(qualifier);
                }
                "include" | "exists" => {
                    record.lookups += 1;
                    let target = argument.filter(|target| !target.is_empty())?;
                    // A macro depends on the mail: it is counted, and cannot be followed.
                    if name == "include" && !target.contains('%') {
                        record.includes.push(target.to_owned());
                    }
                }
                "a" | "mx" | "ptr" => record.lookups += 1,
                "ip4" | "ip6" => {
                    let network = argument?;
                    let (address, length) = network.split_once('/').unwrap_or((network, "1"));
                    let right = if name == "ip4" {
                        address.parse::<std::net::Ipv4Addr>().is_ok()
                    } else {
                        address.parse::<std::net::Ipv6Addr>().is_ok()
                    };
                    let length = length.parse::<u8>().ok().filter(|bits| *bits <= 128)?;
                    if !right {
                        return None;
                    }
                    record.allows_all |= length == 0 && qualifier == '+';
                }
                _ => return None,
            }
        }
        if let (End::Open, Some(target)) = (&record.end, redirect) {
            record.lookups += 1;
            if target.is_empty() {
                return None;
            }
            record.end = if target.contains('%') {
                End::All('-')
            } else {
                End::Redirect(target)
            };
        }
        Some(record)
    }
}
