//! One POST to a carrier: https, no redirect, no proxy, bounded in time and size, never sent twice.

use std::time::Duration;

use fountain_core::ConfigError;
use fountain_core::otp::{DeliveryError, DeliveryErrorKind};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Request, Response, StatusCode, Url, redirect};

/// How much of an answer is read.
const BODY: usize = 16 * 1024;

/// What a carrier answered.
#[cfg_attr(
    not(feature = "twilio"),
    expect(dead_code, reason = "a webhook's answer is its status")
)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Empty when it was longer than 16 KiB, cut off, or compressed: the status was there before it.
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Https,
    /// Plain http to an address of the loopback interface, for tests.
    InsecureLoopback,
}

/// The address of a carrier: https with a host, nothing of a user's in it.
pub(crate) fn endpoint(
    setting: &'static str,
    text: &str,
    transport: Transport,
) -> Result<Url, ConfigError> {
    let invalid = |hint| ConfigError::Invalid { setting, hint };
    let url = Url::parse(text).map_err(|_| {
        invalid("write an absolute address, such as https://codes.example.com/send")
    })?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(invalid(
            "write the address without a user, a password and a fragment",
        ));
    }
    match transport {
        Transport::Https if url.scheme() != "https" => Err(invalid("write an https address")),
        // A name is not enough: who answers for `localhost` is for a resolver to say.
        Transport::InsecureLoopback
            if !(url.scheme() == "http"
                && url
                    .host_str()
                    .and_then(|host| {
                        host.trim_matches(['[', ']'])
                            .parse::<std::net::IpAddr>()
                            .ok()
                    })
                    .is_some_and(|address| address.is_loopback())) =>
        {
            Err(invalid(
                "write http://127.0.0.1:port or http://[::1]:port, or use the constructor for https",
            ))
        }
        _ => Ok(url),
    }
}

/// # Errors
/// When the bundle cannot be read, or there is no store of certificates.
pub(crate) fn client(
    transport: Transport,
    roots: Option<&[u8]>,
    bound: Duration,
) -> Result<Client, ConfigError> {
    let mut client = Client::builder()
        .https_only(transport == Transport::Https)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        // A kept connection may be gone before the request is through: then nobody knows whether it was taken.
        .pool_max_idle_per_host(0)
        .http1_only()
        // Within the bound, so that who is not there is told from who does not answer.
        .connect_timeout(bound / 2)
        .user_agent(concat!("fountain-delivery/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(
            ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        )]));
    let hint = if let Some(bundle) = roots {
        let unreadable =
            "give PEM with at least one CERTIFICATE section, and nothing but X.509 in it";
        let roots = Certificate::from_pem_bundle(bundle)
            .ok()
            .filter(|roots| !roots.is_empty())
            .ok_or(ConfigError::Invalid {
                setting: "trust_only_pem",
                hint: unreadable,
            })?;
        client = client.tls_certs_only(roots);
        unreadable
    } else {
        "this platform has no certificate store that can be read: install one (such as ca-certificates), or give your own"
    };
    client.build().map_err(|_| ConfigError::Invalid {
        setting: "trust_only_pem",
        hint,
    })
}

/// Sends it once.
///
/// # Errors
/// `Unavailable` when there was no connection, `Unknown` when it broke after that.
pub(crate) async fn send(client: &Client, request: Request) -> Result<Answer, DeliveryError> {
    let mut response = client.execute(request).await.map_err(|error| {
        let kind = if error.is_connect() {
            DeliveryErrorKind::Unavailable
        } else {
            DeliveryErrorKind::Unknown
        };
        // What reqwest says of an error holds the address of the carrier only, and of the request nothing else.
        DeliveryError::with_source(kind, error.without_url())
    })?;
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: body(response).await,
    })
}

async fn body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(chunk) = response.chunk().await {
        let Some(chunk) = chunk else { return body };
        // Both are lengths of what is in memory: their sum does not overflow.
        if body.len() + chunk.len() > BODY {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Vec::new()
}

/// Ends a call within `bound`, whatever the carrier does (contract C).
///
/// # Errors
/// Those of the call; `Unknown` when it did not end.
#[cfg(feature = "webhook")]
pub(crate) async fn within<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, DeliveryError>>,
) -> Result<T, DeliveryError> {
    tokio::time::timeout(bound, call)
        .await
        .unwrap_or_else(|_| Err(DeliveryErrorKind::Unknown.into()))
}
