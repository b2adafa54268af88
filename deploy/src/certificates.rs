//! Who the processes of a topology are to its inventory, by certificates of an authority that lies with the topology's data.

use deploy_api::TlsFiles;
use dev_ca::DevCa;
use storefront_tls::{PeerName, TlsPaths};

use crate::plan::Place;

/// The authority is made once; each process has a certificate of its own, replaced long before its end.
pub(crate) struct Certificates {
    /// Without, everybody speaks plaintext.
    ca: Option<DevCa>,
    cluster: String,
}

impl Certificates {
    pub(crate) fn open(place: &Place, plaintext: bool) -> anyhow::Result<Self> {
        let ca = if plaintext { None } else { Some(DevCa::open(&place.data_of("tls"))?) };
        Ok(Self { ca, cluster: place.name.clone() })
    }

    fn files(&self, process: &str, role: &str) -> anyhow::Result<Option<TlsPaths>> {
        let Some(ca) = &self.ca else { return Ok(None) };
        let name: PeerName = format!("storefront://{}/{role}", self.cluster).parse()?;
        Ok(Some(ca.identity(process, &name)?))
    }

    /// Flags of a node of the inventory.
    pub(crate) fn node(&self, process: &str, id: usize) -> anyhow::Result<Vec<String>> {
        Ok(flags("", self.files(process, &format!("node/{id}"))?))
    }

    /// Flags of a service that calls the inventory.
    pub(crate) fn client(&self, process: &str) -> anyhow::Result<Vec<String>> {
        Ok(flags("inventory-", self.files(process, &format!("client/{process}"))?))
    }

    /// For people, and programs beside the topology.
    pub(crate) fn operator(&self) -> anyhow::Result<Option<TlsFiles>> {
        let files = self.files("operator", "client/operator")?;
        Ok(files.map(|TlsPaths { ca, cert, key }| TlsFiles { ca, cert, key }))
    }
}

fn flags(prefix: &str, files: Option<TlsPaths>) -> Vec<String> {
    let Some(TlsPaths { ca, cert, key }) = files else { return vec![format!("--{prefix}plaintext")] };
    let flag = |(name, path): (&str, std::path::PathBuf)| [format!("--{prefix}{name}"), path.to_string_lossy().into_owned()];
    [("tls-ca", ca), ("tls-cert", cert), ("tls-key", key)].into_iter().flat_map(flag).collect()
}
