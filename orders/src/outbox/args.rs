//! Flags of events and of the tool for parked ones.

use storefront_types::OrderId;

/// Where events go besides the region's Redis, and how long they stay there.
#[derive(Clone, Debug, clap::Args)]
pub struct EventArgs {
    /// Events that the stream `events:orders` in the region's Redis keeps, about; older ones are dropped
    #[arg(long, env = "EVENTS_KEEP", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub events_keep: u64,
    /// host:port of Kafka-compatible brokers, separated by commas: events go there too
    #[arg(long, env = "EVENTS_KAFKA", value_delimiter = ',')]
    pub events_kafka: Vec<String>,
    /// Topic of the brokers
    #[arg(long, env = "EVENTS_KAFKA_TOPIC", default_value = "orders.events")]
    pub events_kafka_topic: String,
}

#[derive(Clone, Debug, clap::Args)]
pub struct OutboxArgs {
    /// PostgreSQL URL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true, default_value = "")]
    pub database_url: String,
    #[command(subcommand)]
    pub command: OutboxCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum OutboxCommand {
    /// Sinks and how far behind they are, and parked events with the reason, oldest first, as JSON
    List {
        /// Most parked events to list
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Have parked events sent again, in order: of one order, or of all
    Replay {
        #[arg(long)]
        sink: String,
        /// Only of this order
        #[arg(long)]
        order: Option<OrderId>,
    },
    /// Drop one parked event for ever; those of the same order behind it are sent
    Drop {
        #[arg(long)]
        sink: String,
        /// `row_id` as listed
        #[arg(long)]
        row: i64,
    },
    /// Forget a sink that is no more, so that its events are not kept for it
    Forget {
        #[arg(long)]
        sink: String,
    },
}
