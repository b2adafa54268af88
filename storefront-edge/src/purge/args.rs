//! The flags of purging.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::config::RegionAddress;

/// Shorter ones are guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// Who may purge, and where purges are told.
#[derive(Clone, Debug, clap::Args)]
pub struct PurgeArgs {
    /// File with the token that POST /admin/v1/purge asks for; without it, the environment's ADMIN_TOKEN; without either nobody may
    /// purge
    #[arg(long, env = "ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Redis of each region, REGION=URL separated by commas: a purge is told to all of them. The own region's is that of --redis
    #[arg(long, env = "PURGE_REDIS", value_delimiter = ',', value_parser = region_url)]
    pub purge_redis: Vec<RegionAddress>,
}

impl PurgeArgs {
    pub(crate) fn token(&self) -> anyhow::Result<Option<String>> {
        let (text, whence) = match &self.admin_token_file {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("--admin-token-file {}", file.display()))?;
                (text, "the file of --admin-token-file")
            }
            None => match std::env::var("ADMIN_TOKEN") {
                Ok(text) => (text, "ADMIN_TOKEN"),
                Err(_) => return Ok(None),
            },
        };
        let token = text.trim().to_owned();
        ensure!(token.len() >= MIN_TOKEN_BYTES, "{whence} holds {} bytes; a token has at least {MIN_TOKEN_BYTES}", token.len());
        Ok(Some(token))
    }
}

fn region_url(text: &str) -> Result<RegionAddress, String> {
    let (region, url) = text.split_once('=').ok_or_else(|| format!("{text:?} is not REGION=redis://HOST:PORT"))?;
    redis::Client::open(url).map_err(|error| format!("{url:?} is no address of a Redis ({error}); say redis://HOST:PORT"))?;
    Ok(RegionAddress { region: region.parse().map_err(|error| format!("{error}"))?, address: url.to_owned() })
}
