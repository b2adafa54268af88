//! Passwords and keys of one topology: made once, readable by their owner alone.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// Of PostgreSQL's superuser.
    pub(crate) postgres: String,
    pub(crate) catalog: String,
    pub(crate) orders: String,
    /// What the control port asks for.
    pub(crate) control: String,
    /// Names this topology for ever; command ids of the first stock come from it.
    pub(crate) topology_id: String,
}

impl Secrets {
    pub(crate) fn load_or_make(data: &Path) -> anyhow::Result<Self> {
        let file = data.join("secrets.json");
        if let Ok(bytes) = fs::read(&file) {
            return serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", file.display()));
        }
        let made = Self { postgres: fresh()?, catalog: fresh()?, orders: fresh()?, control: fresh()?, topology_id: fresh()? };
        write_private(&file, &serde_json::to_vec_pretty(&made)?)?;
        Ok(made)
    }

    /// The file with the key that signs checkout tickets.
    pub(crate) fn ticket_key(data: &Path) -> anyhow::Result<PathBuf> {
        Self::key_file(data, "ticket.key")
    }

    /// The file with the secret that the sandbox signs webhooks with.
    pub(crate) fn webhook_secret(data: &Path) -> anyhow::Result<PathBuf> {
        Self::key_file(data, "webhook.key")
    }

    fn key_file(data: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let file = data.join(name);
        if !file.exists() {
            write_private(&file, fresh()?.as_bytes())?;
        }
        Ok(file)
    }
}

/// Passwords that a PostgreSQL with standbys needs besides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReplicationSecrets {
    pub(crate) replication: String,
    pub(crate) rewind: String,
}

impl ReplicationSecrets {
    pub(crate) fn load_or_make(data: &Path) -> anyhow::Result<Self> {
        let file = data.join("replication-secrets.json");
        if let Ok(bytes) = fs::read(&file) {
            return serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", file.display()));
        }
        let made = Self { replication: fresh()?, rewind: fresh()? };
        write_private(&file, &serde_json::to_vec_pretty(&made)?)?;
        Ok(made)
    }
}

fn fresh() -> anyhow::Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    open.and_then(|mut file| file.write_all(bytes)).with_context(|| format!("cannot write {}", file.display()))
}
