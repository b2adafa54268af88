//! Where the cluster's API is, and who asks it.

use std::path::{Path, PathBuf};

use storefront_tls::{Connector, TlsError};

/// Where Kubernetes puts what a pod needs for that.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(
        "this is no pod of a cluster; run `kubectl proxy` and say --kubernetes-api http://127.0.0.1:8001, or give --kubernetes-api https://HOST:PORT \
         with --kubernetes-ca and --kubernetes-token-file"
    )]
    Nowhere,
    #[error("--kubernetes-api {0:?}: say http://HOST:PORT or https://HOST:PORT, without a path")]
    Malformed(String),
    #[error("{file}: {source}")]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{0:?} is no namespace: lower-case letters, digits and '-'")]
    Namespace(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How the API is asked. Tokens of service accounts change while a program runs, so it is the file that is known.
#[derive(Clone, Debug)]
pub struct Access {
    /// `scheme://host:port`
    pub(super) base: String,
    pub(super) ca: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) namespace: String,
}

impl Access {
    /// What is not given is as in a pod of the cluster. `variable` reads the environment.
    pub fn new(
        api: Option<&str>,
        ca: Option<PathBuf>,
        token_file: Option<PathBuf>,
        namespace: Option<String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AccessError> {
        let own = Path::new(SERVICE_ACCOUNT);
        let (base, ca, token_file) = match api {
            Some(api) => (checked(api)?, ca, token_file),
            None => {
                let host = variable("KUBERNETES_SERVICE_HOST").ok_or(AccessError::Nowhere)?;
                let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                let or_own = |given: Option<PathBuf>, name: &str| Some(given.unwrap_or_else(|| own.join(name)));
                (checked(&format!("https://{host}:{port}"))?, or_own(ca, "ca.crt"), or_own(token_file, "token"))
            }
        };
        let written = || std::fs::read_to_string(own.join("namespace")).ok().map(|text| text.trim().to_owned());
        let namespace = namespace.or_else(written).unwrap_or_else(|| "default".to_owned());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if namespace.is_empty() || namespace.len() > 63 || !namespace.bytes().all(plain) {
            return Err(AccessError::Namespace(namespace));
        }
        Ok(Self { base, ca, token_file, namespace })
    }

    pub(super) fn connector(&self) -> Result<Connector, AccessError> {
        if self.base.starts_with("https://") { Ok(Connector::public(self.ca.as_deref())?) } else { Ok(Connector::plaintext()) }
    }

    /// `None` where the way there speaks for us, as `kubectl proxy` does.
    pub(super) fn token(&self) -> Result<Option<String>, AccessError> {
        let read = |file: &PathBuf| {
            let text = std::fs::read_to_string(file);
            text.map(|text| text.trim().to_owned()).map_err(|source| AccessError::Unreadable { file: file.clone(), source })
        };
        self.token_file.as_ref().map(read).transpose()
    }
}

fn checked(api: &str) -> Result<String, AccessError> {
    let malformed = || AccessError::Malformed(api.to_owned());
    let uri: http::Uri = api.parse().map_err(|_| malformed())?;
    let (scheme, authority) = (uri.scheme_str().ok_or_else(malformed)?, uri.authority().ok_or_else(malformed)?);
    if !matches!(scheme, "http" | "https") || uri.path() != "/" || uri.query().is_some() {
        return Err(malformed());
    }
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Ok(format!("{scheme}://{}:{port}", authority.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_knows_its_cluster_and_others_are_told() {
        let pod = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("6443".to_owned()),
            _ => None,
        };
        let inside = Access::new(None, None, None, None, pod).unwrap();
        assert_eq!((inside.base.as_str(), inside.namespace.as_str()), ("https://[fd00::1]:6443", "default"));
        assert_eq!(inside.token_file.unwrap(), Path::new(SERVICE_ACCOUNT).join("token"));
        let proxy = Access::new(Some("http://127.0.0.1:8001"), None, None, Some("shop".to_owned()), pod).unwrap();
        assert!(proxy.token_file.is_none() && proxy.token().unwrap().is_none());
        let nowhere = Access::new(None, None, None, None, |_| None).unwrap_err().to_string();
        assert!(nowhere.contains("kubectl proxy"), "{nowhere}");
        for bad in ["127.0.0.1:8001", "ftp://a", "http://a/b", ""] {
            assert!(matches!(Access::new(Some(bad), None, None, None, pod), Err(AccessError::Malformed(_))), "{bad}");
        }
        assert!(matches!(Access::new(None, None, None, Some("a/b".to_owned()), pod), Err(AccessError::Namespace(_))));
    }
}
