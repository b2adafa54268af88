//! Who a certificate says somebody is: a URI in its subject alternative names.
//!
//! `storefront://<cluster>/node/<id>` is a node, `storefront://<cluster>/client` or `.../client/<what>` a client. Hosts and
//! addresses are not looked at: nodes move, their names do not.

use std::{fmt, str::FromStr};

use rustls::pki_types::CertificateDer;

const SCHEME: &str = "storefront://";

/// Longest name of a cluster or a client in a certificate, in bytes.
const MAX_PART_BYTES: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    Node(u64),
    /// With what it is, if the certificate tells.
    Client(Option<String>),
}

/// Somebody of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerName {
    cluster: String,
    role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a cluster in a certificate has 1 to 128 letters, digits, '.', '_' and '-'; {0:?} is not one")]
    Cluster(String),
    #[error("{0:?} is neither storefront://<cluster>/node/<id> nor storefront://<cluster>/client")]
    Malformed(String),
    #[error("the certificate has no name storefront://<cluster>/... among its URI subject alternative names")]
    Missing,
    #[error("the certificate has more than one name storefront://...; it must be one node or one client")]
    Several,
    #[error("the certificate cannot be read")]
    Unreadable,
}

/// What needs no escaping in a URI (RFC 3986 section 2.3, without '~').
fn is_plain(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_PART_BYTES).contains(&part.len()) && part.bytes().all(plain)
}

impl PeerName {
    pub fn node(cluster: &str, id: u64) -> Result<Self, NameError> {
        Self::new(cluster, Role::Node(id))
    }

    pub fn client(cluster: &str) -> Result<Self, NameError> {
        Self::new(cluster, Role::Client(None))
    }

    fn new(cluster: &str, role: Role) -> Result<Self, NameError> {
        if !is_plain(cluster) {
            return Err(NameError::Cluster(cluster.to_owned()));
        }
        Ok(Self { cluster: cluster.to_owned(), role })
    }

    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    pub fn node_id(&self) -> Option<u64> {
        match self.role {
            Role::Node(id) => Some(id),
            Role::Client(_) => None,
        }
    }

    /// The one name in a certificate. Says nothing about who signed it.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, NameError> {
        let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|_| NameError::Unreadable)?;
        let mut names = certificate.valid_uri_names().filter(|uri| uri.starts_with(SCHEME));
        let name = names.next().ok_or(NameError::Missing)?.parse()?;
        if names.next().is_some() { Err(NameError::Several) } else { Ok(name) }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/", self.cluster)?;
        match &self.role {
            Role::Node(id) => write!(f, "node/{id}"),
            Role::Client(None) => f.write_str("client"),
            Role::Client(Some(what)) => write!(f, "client/{what}"),
        }
    }
}

impl FromStr for PeerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Malformed(text.chars().take(200).collect());
        let rest = text.strip_prefix(SCHEME).ok_or_else(malformed)?;
        let (cluster, role) = rest.split_once('/').ok_or_else(malformed)?;
        let role = match role.split_once('/') {
            None if role == "client" => Role::Client(None),
            Some(("client", what)) if is_plain(what) => Role::Client(Some(what.to_owned())),
            Some(("node", id)) => {
                let number: u64 = id.parse().map_err(|_| malformed())?;
                // One spelling of a number alone: "+1" and "01" are other names.
                if number.to_string() != id {
                    return Err(malformed());
                }
                Role::Node(number)
            }
            _ => return Err(malformed()),
        };
        Self::new(cluster, role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for text in ["storefront://inventory/node/1", "storefront://a.b_c-d/client", "storefront://i/client/orders"] {
            assert_eq!(text.parse::<PeerName>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "storefront://",
            "storefront://a",
            "storefront://a/node",
            "storefront://a/node/",
            "storefront://a/node/+1",
            "storefront://a/node/01",
            "storefront://a/node/1/2",
            "storefront:///node/1",
            "storefront://a b/client",
            "storefront://a/b/node/1",
            "storefront://a/client/",
            "storefront://a/operator",
            "https://a/node/1",
        ] {
            assert!(bad.parse::<PeerName>().is_err(), "{bad:?}");
        }
        assert!(matches!(PeerName::node("a/b", 1), Err(NameError::Cluster(_))));
    }
}
