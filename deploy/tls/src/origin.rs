//! Servers that the world knows by name: their certificate is looked at, and none is shown to them.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore};

use crate::{
    TlsError,
    files::{authorities, provider},
};

/// For HTTP/1.1 to servers whose certificates the authorities of this file have signed; without one, those that the machine trusts.
pub(crate) fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match ca {
        Some(file) => authorities(file)?,
        None => of_the_machine()?,
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TlsError::NoAuthorities { reason: error.to_string() })?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Some of them may be older than the rules that are kept here; the others do.
fn of_the_machine() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let reason = found.errors.first().map_or_else(|| "none is installed".to_owned(), ToString::to_string);
    Err(TlsError::NoAuthorities { reason })
}
