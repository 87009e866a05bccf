use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::{ConfigError, ConfigErrors};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use super::{LookupFailed, TxtLookup};

/// How long a look-up takes at most.
const BOUND: Duration = Duration::from_secs(5);
/// How much of an answer is looked at: records, and bytes of each.
const RECORDS: usize = 32;
const BYTES: usize = 8192;

/// Asks the resolver that the system is set up with; each look-up ends within 5 s.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use fountain_delivery::sender::{SenderDomain, SystemDns};
///
/// for finding in SenderDomain::new("example.com")?.selector("2030-01")?.check(&SystemDns::new()?).await {
///     println!("{:?} {:?} at {}: {}", finding.severity, finding.what, finding.name, finding.hint);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// Its answers are as trustworthy as that resolver. They decide nothing here: they are findings for an operator.
#[derive(Clone)]
pub struct SystemDns {
    resolver: TokioResolver,
}

impl SystemDns {
    /// Reads the system's settings, such as `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When there are none that can be read.
    pub fn new() -> Result<Self, ConfigErrors> {
        let unreadable = ConfigError::Invalid {
            setting: "SystemDns",
            hint: "set up the system's resolver, such as /etc/resolv.conf, or give your own TxtLookup",
        };
        TokioResolver::builder_tokio()
            .and_then(hickory_resolver::ResolverBuilder::build)
            .map(|resolver| Self { resolver })
            .map_err(|_| unreadable.into())
    }
}

#[async_trait]
impl TxtLookup for SystemDns {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupFailed> {
        // With the dot at its end the name is whole: no search domain is tried.
        let answer =
            tokio::time::timeout(BOUND, self.resolver.txt_lookup(format!("{name}."))).await;
        match answer {
            Ok(Ok(found)) => Ok(found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::TXT(text) => Some(text.txt_data.concat()),
                    _ => None,
                })
                .take(RECORDS)
                .filter(|text| text.len() <= BYTES)
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .collect()),
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
            _ => Err(LookupFailed),
        }
    }
}

impl fmt::Debug for SystemDns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemDns")
    }
}
