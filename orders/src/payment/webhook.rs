//! Webhooks: signed, recent, and taken once. They say which order to look at; what is true is asked of the provider.

use std::{path::Path, sync::Arc};

use serde::Deserialize;
use storefront_types::OrderId;
use time::OffsetDateTime;

use super::signature::{self, SignatureError};

/// Longest id of an event.
const MAX_ID_BYTES: usize = 128;

/// The secret that a provider signs with. Without one, no webhook is taken.
#[derive(Clone, Default)]
pub(crate) struct Webhooks {
    secret: Option<Arc<[u8]>>,
}

/// What a webhook comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) id: String,
    /// `None`: it is about nothing of ours.
    pub(crate) order: Option<OrderId>,
    /// The provider's reference of the payment, where the event has it.
    pub(crate) reference: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HookError {
    #[error("this shop takes no webhooks; configure the endpoint's secret")]
    NotConfigured,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("the event has no id")]
    Malformed,
}

#[derive(Deserialize)]
struct EventBody {
    id: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    object: Object,
}

/// An intent, or a charge or refund, which carry their intent's metadata.
#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    object: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    order_id: Option<String>,
}

impl Webhooks {
    pub(crate) fn new(secret_file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = secret_file else { return Ok(Self::default()) };
        let secret = std::fs::read(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let secret = secret.trim_ascii();
        anyhow::ensure!(secret.len() >= 16, "{} needs a secret of at least 16 bytes", path.display());
        Ok(Self { secret: Some(secret.into()) })
    }

    /// Believes nothing of the body before its signature was found right.
    pub(crate) fn read(&self, header: &str, body: &[u8], now: OffsetDateTime) -> Result<Hook, HookError> {
        let secret = self.secret.as_deref().ok_or(HookError::NotConfigured)?;
        signature::verify(secret, header, body, now.unix_timestamp())?;
        let event: EventBody = serde_json::from_slice(body).map_err(|_| HookError::Malformed)?;
        if event.id.is_empty() || event.id.len() > MAX_ID_BYTES {
            return Err(HookError::Malformed);
        }
        let about = event.data.object;
        let order = about.metadata.order_id.and_then(|id| id.parse().ok());
        let reference = if about.object == "payment_intent" { about.id } else { about.payment_intent };
        Ok(Hook { id: event.id, order, reference })
    }
}
