//! Command line and environment of payments.

use std::{path::PathBuf, time::Duration};

use super::{
    port::{Payments, Provider},
    sandbox::Sandbox,
    stripe::{self, Stripe},
    webhook::Webhooks,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProviderName {
    /// Orders are complete without payment
    None,
    /// The provider that `orders payment-sandbox` runs
    Sandbox,
    /// Stripe's PaymentIntents API
    Stripe,
}

#[derive(Clone, Debug, clap::Args)]
pub struct PaymentArgs {
    /// Who takes payments
    #[arg(long, env = "PAYMENTS", value_enum, default_value_t = ProviderName::None)]
    pub payments: ProviderName,
    /// Base URL of the provider; needed for the sandbox
    #[arg(long, env = "PAYMENT_URL")]
    pub payment_url: Option<String>,
    /// File with the provider's secret API key; needed for Stripe
    #[arg(long, env = "PAYMENT_KEY_FILE")]
    pub payment_key_file: Option<PathBuf>,
    /// File with the secret that the provider signs webhooks with; without it none are taken
    #[arg(long, env = "PAYMENT_WEBHOOK_SECRET_FILE")]
    pub payment_webhook_secret_file: Option<PathBuf>,
    /// How long stock is held for a payment before extensions, in milliseconds; the same for all instances
    #[arg(long, env = "PAYMENT_HOLD_MS", default_value_t = 120_000,
        value_parser = clap::value_parser!(u64).range(inventory_api::MIN_TTL_MS..=inventory_api::MAX_TTL_MS / 5))]
    pub payment_hold_ms: u64,
    /// How long an authorisation may be without an order before somebody looks after it, in milliseconds
    #[arg(long, env = "PAYMENT_RECONCILE_AFTER_MS", default_value_t = 30_000)]
    pub payment_reconcile_after_ms: u64,
}

impl PaymentArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Payments> {
        let provider = match self.payments {
            ProviderName::None => Provider::None,
            ProviderName::Sandbox => {
                let Some(url) = &self.payment_url else { anyhow::bail!("--payments sandbox needs --payment-url") };
                Provider::Sandbox(Sandbox::new(url)?)
            }
            ProviderName::Stripe => {
                let Some(file) = &self.payment_key_file else { anyhow::bail!("--payments stripe needs --payment-key-file") };
                let key = std::fs::read_to_string(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
                let url = self.payment_url.as_deref().unwrap_or(stripe::BASE);
                Provider::Stripe(Stripe::new(url, key.trim().to_owned())?)
            }
        };
        Ok(Payments::new(provider))
    }

    pub(crate) fn webhooks(&self) -> anyhow::Result<Webhooks> {
        Webhooks::new(self.payment_webhook_secret_file.as_deref())
    }

    pub(crate) fn hold(&self) -> Duration {
        Duration::from_millis(self.payment_hold_ms)
    }

    pub(crate) fn reconcile_after(&self) -> Duration {
        Duration::from_millis(self.payment_reconcile_after_ms)
    }
}
