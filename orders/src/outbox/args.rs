//! Flags of events and of the tool for parked ones.

use std::path::PathBuf;

use storefront_types::OrderId;

/// Where events go besides the region's Redis, and how long they stay there.
#[derive(Clone, Debug, clap::Args)]
pub struct EventArgs {
    /// Events that the stream `events:orders` in the region's Redis keeps, about; older ones are dropped
    #[arg(long, env = "EVENTS_KEEP", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub events_keep: u64,
    /// Events that wait in PostgreSQL at most; past that the oldest go, also those that a sink was not told: `orders outbox list` says how many it
    /// missed
    #[arg(long, env = "EVENTS_OUTBOX_MAX", default_value_t = 5_000_000, value_parser = clap::value_parser!(i64).range(1_000..=1_000_000_000))]
    pub events_outbox_max: i64,
    /// host:port of Kafka-compatible brokers, separated by commas: events go there too
    #[arg(long, env = "EVENTS_KAFKA", value_delimiter = ',')]
    pub events_kafka: Vec<String>,
    /// Topic of the brokers
    #[arg(long, env = "EVENTS_KAFKA_TOPIC", default_value = "orders.events")]
    pub events_kafka_topic: String,
    #[command(flatten)]
    pub kafka_security: KafkaSecurityArgs,
}

/// How the brokers know that it is this program, and it that they are the brokers.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KafkaSecurityArgs {
    /// Speak TLS with the brokers; needs a program that was built with `--features kafka-tls`
    #[arg(long, env = "EVENTS_KAFKA_TLS", requires = "events_kafka")]
    pub events_kafka_tls: bool,
    /// File with the certificates that the brokers' are signed with, in PEM; without it, those of the operating system
    #[arg(long, env = "EVENTS_KAFKA_CA", requires = "events_kafka_tls")]
    pub events_kafka_ca: Option<PathBuf>,
    /// Sign in at the brokers as this user (SASL)
    #[arg(long, env = "EVENTS_KAFKA_USER", requires = "events_kafka")]
    pub events_kafka_user: Option<String>,
    /// File with the user's password; without it, the environment's EVENTS_KAFKA_PASSWORD
    #[arg(long, env = "EVENTS_KAFKA_PASSWORD_FILE", requires = "events_kafka_user")]
    pub events_kafka_password_file: Option<PathBuf>,
    /// How to sign in; all but `plain` need a program that was built with `--features kafka-tls`
    #[arg(long, env = "EVENTS_KAFKA_SASL", value_enum, default_value_t)]
    pub events_kafka_sasl: SaslMechanism,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SaslMechanism {
    /// The password as it is: only with TLS, or beside the brokers
    Plain,
    #[default]
    ScramSha256,
    ScramSha512,
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
