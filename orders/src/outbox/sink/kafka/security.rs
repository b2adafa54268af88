//! TLS and SASL towards the brokers, as settings of librdkafka.
//!
//! Owns: what goes with what, and a clear word where this build cannot do it: librdkafka itself would say no more than that a property is not
//! configured. Must not: write a password into a message.

use std::path::Path;

use crate::outbox::args::{KafkaSecurityArgs, SaslMechanism};

/// OpenSSL is part of this build.
const HAS_TLS: bool = cfg!(feature = "kafka-tls");

/// Longest password; a file that has more is another one.
const MAX_PASSWORD_BYTES: usize = 1_024;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecurityError {
    #[error(
        "this program was built without TLS for Kafka, which {0} needs: build it with `cargo build --release -p orders --features kafka-tls`, \
         or put a proxy beside it that speaks TLS (docs/events.md)"
    )]
    NotBuilt(&'static str),
    #[error("--events-kafka-user needs a password: say --events-kafka-password-file FILE, or set EVENTS_KAFKA_PASSWORD")]
    NoPassword,
    #[error("{path}: {reason}")]
    Password { path: String, reason: String },
    #[error("{0} is no readable file with certificates")]
    NoCertificates(String),
}

/// The password that the flags or the environment name; empty where none is.
pub(super) fn password(args: &KafkaSecurityArgs) -> Result<String, SecurityError> {
    let Some(path) = &args.events_kafka_password_file else {
        return Ok(std::env::var("EVENTS_KAFKA_PASSWORD").unwrap_or_default());
    };
    let failed = |reason: String| SecurityError::Password { path: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(failed("it is empty".to_owned())),
        long if long.len() > MAX_PASSWORD_BYTES => Err(failed(format!("it has more than {MAX_PASSWORD_BYTES} bytes"))),
        password => Ok(password.to_owned()),
    }
}

/// What librdkafka is told.
pub(super) fn settings(args: &KafkaSecurityArgs, password: &str) -> Result<Vec<(&'static str, String)>, SecurityError> {
    let (tls, sasl) = (args.events_kafka_tls, args.events_kafka_sasl);
    if tls && !HAS_TLS {
        return Err(SecurityError::NotBuilt("--events-kafka-tls"));
    }
    let protocol = match (tls, args.events_kafka_user.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    let mut settings = vec![("security.protocol", protocol.to_owned())];
    if tls && args.events_kafka_ca.is_none() {
        // OpenSSL of this build does not know where the operating system keeps them.
        settings.push(("ssl.ca.location", "probe".to_owned()));
    }
    if let Some(path) = &args.events_kafka_ca {
        if !is_readable(path) {
            return Err(SecurityError::NoCertificates(path.display().to_string()));
        }
        settings.push(("ssl.ca.location", path.display().to_string()));
    }
    if let Some(user) = &args.events_kafka_user {
        let mechanism = match sasl {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 if !HAS_TLS => {
                return Err(SecurityError::NotBuilt("--events-kafka-sasl scram-sha-256 or -512"));
            }
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        if password.is_empty() {
            return Err(SecurityError::NoPassword);
        }
        settings.push(("sasl.mechanism", mechanism.to_owned()));
        settings.push(("sasl.username", user.clone()));
        settings.push(("sasl.password", password.to_owned()));
    }
    Ok(settings)
}

fn is_readable(path: &Path) -> bool {
    std::fs::File::open(path).is_ok_and(|file| file.metadata().is_ok_and(|file| file.is_file()))
}

#[cfg(test)]
mod tests {
    use rdkafka::{ClientConfig, producer::FutureProducer};

    use super::*;

    fn args(tls: bool, user: Option<&str>, sasl: SaslMechanism) -> KafkaSecurityArgs {
        let user = user.map(str::to_owned);
        KafkaSecurityArgs { events_kafka_tls: tls, events_kafka_user: user, events_kafka_sasl: sasl, ..Default::default() }
    }

    /// librdkafka itself takes them.
    fn is_taken(settings: &[(&'static str, String)]) -> bool {
        let mut config = ClientConfig::new();
        settings.iter().for_each(|(name, value)| {
            config.set(*name, value);
        });
        config.create::<FutureProducer>().is_ok()
    }

    #[test]
    fn what_this_build_can_do_librdkafka_takes_and_the_rest_is_refused_with_a_way_out() {
        let plain = settings(&args(false, Some("shop"), SaslMechanism::Plain), "secret").unwrap();
        assert!(plain.contains(&("security.protocol", "sasl_plaintext".to_owned())) && is_taken(&plain), "{plain:?}");
        assert!(is_taken(&settings(&args(false, None, SaslMechanism::Plain), "").unwrap()));
        for (tls, user, sasl) in [
            (true, None, SaslMechanism::Plain),
            (true, Some("shop"), SaslMechanism::Plain),
            (false, Some("shop"), SaslMechanism::ScramSha256),
            (true, Some("shop"), SaslMechanism::ScramSha512),
        ] {
            match settings(&args(tls, user, sasl), "secret") {
                Ok(settings) => assert!(HAS_TLS && is_taken(&settings), "{settings:?}"),
                Err(error) => assert!(!HAS_TLS && error.to_string().contains("--features kafka-tls"), "{error}"),
            }
        }
    }

    #[test]
    fn a_user_without_a_password_and_files_that_are_not_there_are_named() {
        let user = args(false, Some("shop"), SaslMechanism::Plain);
        assert_eq!(settings(&user, ""), Err(SecurityError::NoPassword));
        let file = KafkaSecurityArgs { events_kafka_password_file: Some("/nowhere/password".into()), ..user };
        assert!(password(&file).unwrap_err().to_string().contains("/nowhere/password"));
        let ca = KafkaSecurityArgs { events_kafka_ca: Some("/nowhere/ca.pem".into()), ..Default::default() };
        assert_eq!(settings(&ca, ""), Err(SecurityError::NoCertificates("/nowhere/ca.pem".to_owned())));
    }
}
