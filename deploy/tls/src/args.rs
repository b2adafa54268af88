//! Flags of the inventory's nodes and of programs that talk to them.

use std::path::PathBuf;

use crate::{Tls, TlsError, TlsPaths, Via, via};

/// What was given on a command line or in the environment.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub plaintext: bool,
}

impl Given {
    /// The files, or `None` for plaintext. `prefix` stands in front of the flags' names.
    pub fn choose(self, prefix: &'static str) -> Result<Option<TlsPaths>, TlsError> {
        match (self.plaintext, self.ca, self.cert, self.key) {
            (true, None, None, None) => Ok(None),
            (true, ..) => Err(TlsError::Both(prefix)),
            (false, None, None, None) => Err(TlsError::Neither(prefix)),
            (false, Some(ca), Some(cert), Some(key)) => Ok(Some(TlsPaths { ca, cert, key })),
            (false, None, ..) => Err(TlsError::Incomplete(prefix, "tls-ca")),
            (false, _, None, _) => Err(TlsError::Incomplete(prefix, "tls-cert")),
            (false, _, _, None) => Err(TlsError::Incomplete(prefix, "tls-key")),
        }
    }
}

/// Who a node of the inventory is, or how `inventoryctl` reaches one.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TlsArgs {
    /// Authorities that have signed the certificates of nodes and clients (PEM); looked at again while the process runs
    #[arg(long, env = "INVENTORY_TLS_CA", global = true)]
    tls_ca: Option<PathBuf>,
    /// Own certificate, `storefront://CLUSTER/node/ID` or `storefront://CLUSTER/client` among its names (PEM)
    #[arg(long, env = "INVENTORY_TLS_CERT", global = true)]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "INVENTORY_TLS_KEY", global = true)]
    tls_key: Option<PathBuf>,
    /// Without TLS: whoever reaches the ports may read and change stock
    #[arg(long, env = "INVENTORY_PLAINTEXT", global = true)]
    plaintext: bool,
    /// Connect to another address in the place of one that members are known by: HOST:PORT=HOST:PORT, separated by commas
    #[arg(long, env = "INVENTORY_VIA", value_delimiter = ',', global = true)]
    via: Vec<Via>,
}

impl TlsArgs {
    /// The files, or `None` for plaintext. From now on connections go by the ways that are given.
    pub fn choose(self) -> Result<Option<TlsPaths>, TlsError> {
        via::lead(self.via);
        Given { ca: self.tls_ca, cert: self.tls_cert, key: self.tls_key, plaintext: self.plaintext }.choose("")
    }
}

/// How a service reaches the inventory.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct InventoryTlsArgs {
    /// Authorities of the inventory's certificates (PEM)
    #[arg(long, env = "INVENTORY_TLS_CA")]
    pub inventory_tls_ca: Option<PathBuf>,
    /// Certificate to show to the inventory, `storefront://CLUSTER/client` among its names (PEM)
    #[arg(long, env = "INVENTORY_TLS_CERT")]
    pub inventory_tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "INVENTORY_TLS_KEY")]
    pub inventory_tls_key: Option<PathBuf>,
    /// Talk to the inventory without TLS
    #[arg(long, env = "INVENTORY_PLAINTEXT")]
    pub inventory_plaintext: bool,
    /// Connect to another address in the place of one that a node is known by: HOST:PORT=HOST:PORT, separated by commas
    #[arg(long, env = "INVENTORY_VIA", value_delimiter = ',')]
    pub inventory_via: Vec<Via>,
}

impl InventoryTlsArgs {
    /// In plaintext, for tests of a service beside an inventory that has no certificates.
    pub fn plaintext() -> Self {
        Self { inventory_plaintext: true, ..Self::default() }
    }

    /// Whether there is anything at all, for programs that can also find out from elsewhere.
    pub fn is_given(&self) -> bool {
        self.inventory_plaintext
            || [&self.inventory_tls_ca, &self.inventory_tls_cert, &self.inventory_tls_key].iter().any(|of| of.is_some())
    }

    /// The identity, its files followed; `None` for plaintext. Must be called inside a runtime. From now on connections go by the ways
    /// that are given.
    pub fn open(self) -> Result<Option<Tls>, TlsError> {
        via::lead(self.inventory_via);
        let given = Given {
            ca: self.inventory_tls_ca,
            cert: self.inventory_tls_cert,
            key: self.inventory_tls_key,
            plaintext: self.inventory_plaintext,
        };
        given.choose("inventory-")?.map(|paths| Tls::open(paths).map(Tls::followed)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_or_plaintext_and_never_half_of_either() {
        let file = || Some(PathBuf::from("x"));
        let given = |ca, cert, key, plaintext| Given { ca, cert, key, plaintext }.choose("");
        assert!(matches!(given(None, None, None, false), Err(TlsError::Neither(""))));
        assert!(matches!(given(None, None, None, true), Ok(None)));
        assert!(matches!(given(file(), None, None, true), Err(TlsError::Both(""))));
        assert!(matches!(given(file(), file(), None, false), Err(TlsError::Incomplete("", "tls-key"))));
        assert!(matches!(given(None, file(), file(), false), Err(TlsError::Incomplete("", "tls-ca"))));
        assert!(matches!(given(file(), file(), file(), false), Ok(Some(_))));
    }
}
