//! TLS under a probe's request: rustls, which does no I/O of its own, on a socket that never blocks.
//!
//! What it must never do: trust somebody because nobody could be asked. Without `tls_verify off` a certificate is judged
//! against the system's authorities or those given, and its name against the one asked for (RFC 9525). What is kept of
//! an answer is bounded by rustls: one record, and 64 KiB of handshake. Read the rustls manual on `ClientConnection` first.

mod judge;
mod words;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use config::Tls;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::Socket;

use super::files;
use judge::Judge;
use words::in_words;

/// As much of a file of authorities is read, in bytes; those of whole distributions have a quarter of a megabyte.
const MAX_AUTHORITIES: u64 = 4 * 1024 * 1024;
/// Where distributions keep the authorities that they trust: Debian and its like, Red Hat's, SUSE's, Alpine's.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A connection, encrypted or not.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Socket, Box<ClientConnection>),
}

impl Stream {
    pub(super) const fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) | Self::Tls(socket, _) => socket,
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

impl Read for Stream {
    /// 0 is the end, also one that TLS wasn't told of: HTTP/1.0 servers often just close.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(socket, session) => match rustls::Stream::new(session.as_mut(), socket).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !session.is_handshaking() => {
                    Ok(0)
                }
                other => other.map_err(in_words),
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(socket, session) => {
                rustls::Stream::new(session.as_mut(), socket).write(bytes).map_err(in_words)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(socket, session) => {
                rustls::Stream::new(session.as_mut(), socket).flush().map_err(in_words)
            }
        }
    }
}

/// What is trusted, read once and again when the file has changed. `None` stands for trusting anybody.
#[derive(Debug, Default)]
pub(super) struct Trust(HashMap<Option<PathBuf>, (Option<SystemTime>, Arc<ClientConfig>)>);

impl Trust {
    /// Begins a session over a connection that is to come about.
    ///
    /// # Errors
    /// What stands in the way, for people: mostly a file without certificates.
    pub(super) fn begin(&mut self, tls: &Tls, socket: Socket) -> Result<Stream, String> {
        let authorities = if tls.verify { Some(authorities(tls)?) } else { None };
        let config = self.config(authorities)?;
        let name =
            ServerName::try_from(tls.name.clone()).map_err(|error| format!("{}: {error}", tls.name))?;
        let session = ClientConnection::new(config, name).map_err(|error| error.to_string())?;
        Ok(Stream::Tls(socket, Box::new(session)))
    }

    fn config(&mut self, authorities: Option<PathBuf>) -> Result<Arc<ClientConfig>, String> {
        let changed = match &authorities {
            Some(path) => std::fs::metadata(path).and_then(|it| it.modified()).ok(),
            None => None,
        };
        if let Some((known, config)) = self.0.get(&authorities)
            && *known == changed
        {
            return Ok(config.clone());
        }
        let config = Arc::new(read(authorities.as_deref())?);
        self.0.insert(authorities, (changed, config.clone()));
        Ok(config)
    }
}

/// The file that says who is trusted.
fn authorities(tls: &Tls) -> Result<PathBuf, String> {
    if let Some(given) = &tls.authorities {
        return Ok(given.clone());
    }
    let system = SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let none = || format!("no authorities to trust: none of {}; give `tls_ca`", SYSTEM.join(", "));
    system.map(Path::to_owned).ok_or_else(none)
}

fn read(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(path) = authorities else {
        let anybody = Arc::new(Judge::of_anybody(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth());
    };
    let failed = |why: &dyn std::fmt::Display| format!("authorities of {}: {why}", path.display());
    let text = files::read(path, MAX_AUTHORITIES).map_err(|error| failed(&error))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text).flatten().collect();
    let mut roots = RootCertStore::empty();
    // A bundle may hold one that nobody can use; the others count.
    let (taken, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if taken == 0 {
        return Err(failed(&"there is no certificate in it"));
    }
    let judge = Judge::by(roots, certificates, provider).map_err(|error| failed(&error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(judge)).with_no_client_auth())
}
