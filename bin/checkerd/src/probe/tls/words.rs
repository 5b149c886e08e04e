//! What went wrong with TLS, for people: what is so, and what to do.

use std::io;

use rustls::{CertificateError, Error};

/// An error of a stream; what TLS has to do with is in sentences.
pub(super) fn in_words(error: io::Error) -> io::Error {
    let words = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).map(words);
    words.map_or(error, |words| io::Error::new(io::ErrorKind::InvalidData, words))
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::InvalidMessage(_) => {
            "what answers doesn't speak TLS; is it a port for http://, or for another service?".to_owned()
        }
        Error::AlertReceived(alert) => format!("the server refuses TLS with us (alert {alert:?})"),
        other => other.to_string(),
    }
}

fn certificate(why: &CertificateError) -> String {
    let what = match why {
        CertificateError::UnknownIssuer => {
            "is vouched for by nobody who is trusted: name the file of its authority, or its own, in `tls_ca`"
                .to_owned()
        }
        CertificateError::NotValidForName => {
            "is for another name than the one asked for (`http_host`)".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "is not for {}, which was asked for (`http_host`), but for {}",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "isn't valid yet; is this host's clock right?".to_owned()
        }
        CertificateError::BadSignature => "isn't signed by the key of who is said to vouch for it".to_owned(),
        CertificateError::Other(other) => {
            format!("can't be accepted ({}); if it is its own authority, name its file in `tls_ca`", other.0)
        }
        other => format!("can't be accepted: {other}"),
    };
    format!("the certificate {what}")
}

/// rustls gives them as `DnsName("web.example")` and `IpAddress(192.0.2.1)`.
fn names(presented: &[String]) -> String {
    let name = |it: &String| {
        let inner = it.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(it);
        inner.trim_matches('"').to_owned()
    };
    let names: Vec<String> = presented.iter().map(name).collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}
