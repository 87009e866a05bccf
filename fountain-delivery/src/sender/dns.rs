use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::{ConfigError, ConfigErrors};
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::{LookupFailed, TxtLookup};

/// How long a look-up takes at most.
const BOUND: Duration = Duration::from_secs(5);
/// How much of an answer is looked at: records, and bytes of each.
const RECORDS: usize = 32;
const BYTES: usize = 8192;

/// Asks a resolver, by `hickory-resolver`; each look-up ends within 5 s. Needs a tokio runtime, to be built too.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use fountain_delivery::sender::{SenderDomain, Dns};
///
/// for finding in SenderDomain::new("example.com")?.selector("2030-01")?.check(&Dns::system()?).await {
///     println!("{:?} {:?} at {}: {}", finding.severity, finding.what, finding.name, finding.hint);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// Its answers are as trustworthy as that resolver and the way to it. They decide nothing here: they are findings for an operator.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// The resolver that the system is set up with, such as by `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn system() -> Result<Self, ConfigErrors> {
        TokioResolver::builder_tokio()
            .and_then(ResolverBuilder::build)
            .map(|resolver| Self { resolver })
            .map_err(|_| unusable("set up the system's resolver, or name one with Dns::asking"))
    }

    /// This resolver, by UDP and TCP.
    ///
    /// # Errors
    /// When it cannot be asked at all.
    pub fn asking(server: SocketAddr) -> Result<Self, ConfigErrors> {
        let mut named = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut named.connections {
            connection.port = server.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![named]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .build()
            .map(|resolver| Self { resolver })
            .map_err(|_| unusable("name a resolver's address"))
    }
}

fn unusable(hint: &'static str) -> ConfigErrors {
    ConfigError::Invalid {
        setting: "Dns",
        hint,
    }
    .into()
}

#[async_trait]
impl TxtLookup for Dns {
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

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dns")
    }
}
