//! Certificates: what a server shows, whom a client believes.

use std::sync::{Arc, Mutex, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{aws_lc_rs, verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, WantsVerifier,
};

use crate::relay::queue::lock;
use crate::relay::OrderError;

type Done<T> = Result<T, OrderError>;

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// The last that was made: one kit has one certificate, and a server asks for it with every connection.
#[derive(Default)]
pub struct Kept {
    server: Mutex<Option<(String, String, Arc<ServerConfig>)>>,
    client: Mutex<Option<(String, Arc<ClientConfig>)>>,
}

fn certificates(pem: &str) -> Done<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(OrderError::new("no certificate in the PEM text")),
        Err(error) => Err(OrderError::new(format!("the certificate can not be read: {error}"))),
    }
}

impl Kept {
    pub fn server(&self, certificate: &str, key: &str) -> Done<Arc<ServerConfig>> {
        let mut kept = lock(&self.server);
        if let Some((_, _, config)) = kept.as_ref().filter(|(c, k, _)| c == certificate && k == key) {
            return Ok(config.clone());
        }
        let chain = certificates(certificate)?;
        let secret = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| OrderError::new(format!("the key can not be read: {error}")))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|b| b.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(|error| OrderError::new(format!("certificate and key can not be used: {error}")))?;
        let config = Arc::new(config);
        *kept = Some((certificate.to_owned(), key.to_owned(), config.clone()));
        Ok(config)
    }

    /// `ca`: authorities besides the system's; `verify` false takes any certificate.
    pub fn client(&self, ca: &str, verify: bool) -> Done<Arc<ClientConfig>> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| OrderError::new(format!("TLS: {error}")))?;
        if !verify {
            return Ok(believing(builder, None, Vec::new()));
        }
        let mut kept = lock(&self.client);
        if let Some((_, config)) = kept.as_ref().filter(|(c, _)| c == ca) {
            return Ok(config.clone());
        }
        let mut roots = system_roots().clone();
        let pinned = if ca.is_empty() { Vec::new() } else { certificates(ca)? };
        for certificate in &pinned {
            let added = roots.add(certificate.clone());
            added.map_err(|error| OrderError::new(format!("an authority can not be used: {error}")))?;
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let chain = chain.map_err(|error| OrderError::new(format!("no authorities to trust: {error}")))?;
        let config = believing(builder, Some(chain), pinned);
        *kept = Some((ca.to_owned(), config.clone()));
        Ok(config)
    }
}

fn believing(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
) -> Arc<ClientConfig> {
    let known = Arc::new(Known { chain, pinned, provider: provider() });
    Arc::new(builder.dangerous().with_custom_certificate_verifier(known).with_no_client_auth())
}

/// The authorities of the system, read once. Those that can't be read are left out, as every program does.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Whom a client believes: a chain to an authority, for the name that was asked for; or the very certificate that was
/// given, since devices sign their own, for whatever name, and as if they were authorities. That its owner has the key is
/// checked in any case.
#[derive(Debug)]
struct Known {
    /// None: whatever is shown, where a person said so.
    chain: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.chain {
            Some(chain) if !self.pinned.contains(end) => chain.verify_server_cert(end, between, name, ocsp, now),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
