//! Whose certificate is believed.
//!
//! What it must never do: believe a certificate that is out of its time, or is for another name, unless nothing is verified.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Judges the certificates of those who answer.
#[derive(Debug)]
pub(super) struct Judge {
    provider: Arc<CryptoProvider>,
    /// `None`, with `tls_verify off`: whoever answers is believed, if it holds the key of its own certificate.
    authorities: Option<Authorities>,
}

#[derive(Debug)]
struct Authorities {
    webpki: Arc<WebPkiServerVerifier>,
    /// As they stand in the file.
    given: Vec<CertificateDer<'static>>,
}

impl Judge {
    /// Believes anybody.
    pub(super) const fn of_anybody(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, authorities: None }
    }

    /// Believes whom one of these authorities vouches for, and whose own certificate stands among them.
    ///
    /// # Errors
    /// None of them can be used.
    pub(super) fn by(
        roots: RootCertStore,
        given: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
        Ok(Self { provider, authorities: Some(Authorities { webpki, given }) })
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(Authorities { webpki, given }) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match webpki.verify_server_cert(own, others, name, ocsp, now) {
            // What `openssl req -x509` makes is an authority and vouches for itself, which webpki takes from nobody. Who is given
            // that very certificate knows whom it means. Its time was looked at before; its name wasn't.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if given.contains(own) => {
                verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
