//! Operators over mutual TLS.

use dev_ca::DevCa;

use super::process::{Cluster, refused, text};

#[test]
fn operators_show_a_certificate_and_are_told_when_it_is_wrong() {
    let mut cluster = Cluster::new("secured", 3, &[]);
    cluster.ca = Some(DevCa::open(&cluster.folder.path().join("tls")).unwrap());
    for id in 1..=3 {
        cluster.start(id, 3);
    }
    cluster.insist(&["status"]);
    assert_eq!(cluster.ask(&["members", "list"]).as_array().unwrap().len(), 3);
    cluster.insist(&["hash"]);
    let file = cluster.folder.path().join("snapshot");
    cluster.insist(&["snapshot", "save", text(&file)]);
    // A file needs no cluster, and so no certificate.
    assert!(cluster.ctl_with("json", &["snapshot", "inspect", text(&file)]).status.success());
    let status = |flags: &[&str], code: i32, says: &str| {
        let arguments = [flags, &["status"]].concat();
        refused(cluster.ctl_with("json", &arguments), code, says, &arguments);
    };
    status(&[], 1, "neither certificates nor --plaintext");
    status(&["--plaintext"], 3, "no node answers");
    let own = cluster.security("client");
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    status(&own[..4], 1, "--tls-key is missing");
    // Another cluster's client, of the same authority; then another authority.
    let foreign = "storefront://elsewhere/client".parse().unwrap();
    let foreign = cluster.ca.as_ref().unwrap().identity("foreign", &foreign).unwrap();
    let flags = ["--tls-ca", own[1], "--tls-cert", text(&foreign.cert), "--tls-key", text(&foreign.key)];
    status(&flags, 1, "is of another cluster than storefront://elsewhere/client");
    let other = DevCa::open(&cluster.folder.path().join("other")).unwrap();
    let stranger = other.identity("client", &"storefront://secured/client".parse().unwrap()).unwrap();
    let flags = ["--tls-ca", text(&stranger.ca), "--tls-cert", text(&stranger.cert), "--tls-key", text(&stranger.key)];
    status(&flags, 1, "do not trust each other");
    cluster.insist(&["status"]);
}
