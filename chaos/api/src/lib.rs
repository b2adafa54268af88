//! The drill controller's HTTP contract: paths and bodies.
//!
//! Owns: what goes over the wire between `chaos serve` and whoever shows it to operators. Must not: know how a drill is run.

use serde::{Deserialize, Serialize};

/// Paths of the controller. All of them want `Authorization: Bearer` and its token.
pub mod paths {
    /// Server-sent events: `picture`, what is seen now, each second; `runs`, whenever they change.
    pub const STREAM: &str = "/v1/stream";
    /// `GET`: the runs; `POST`: starts one.
    pub const DRILLS: &str = "/v1/drills";
    /// `DELETE`: asks the one that runs to end. It heals what it broke first.
    pub const RUNNING: &str = "/v1/drills/running";
}

/// Names of the events of the stream.
pub mod events {
    pub const PICTURE: &str = "picture";
    pub const RUNS: &str = "runs";
}

/// Longest name of a drill or a region.
pub const MAX_NAME_BYTES: usize = 40;

/// Runs that are remembered; of older ones there are the reports.
pub const MAX_RUNS: usize = 20;

/// `POST /v1/drills`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub drill: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Order {
    /// The field that could be no name, if there is one. It goes into a command line, so nothing but a plain name may be one.
    pub fn wrong_field(&self) -> Option<&'static str> {
        if !is_name(&self.drill) {
            return Some("drill");
        }
        self.region.as_deref().is_some_and(|region| !is_name(region)).then_some("region")
    }
}

/// Lower-case letters, digits and `-`, with a letter or digit in front: nothing that could be taken for a flag or a path.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_NAME_BYTES && text.bytes().next().is_some_and(plain) && text.bytes().all(|byte| plain(byte) || byte == b'-')
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    /// It was asked to end and heals.
    Stopping,
    Ended,
}

/// A drill that runs or ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: u64,
    pub drill: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub state: RunState,
    /// Milliseconds since 1970.
    pub began_ms: u64,
    pub ended_ms: Option<u64>,
    /// Of the program; absent while it runs, and when a signal ended it.
    pub exit_code: Option<i32>,
    /// What the exit code means: `PASS` for 0 alone.
    pub verdict: Option<String>,
    /// The directory of its report, at the controller.
    pub report: String,
    /// The last lines that it said.
    pub said: String,
}

/// `GET /v1/drills`, and the event `runs`. The newest run first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    pub runs: Vec<Run>,
    /// Drills that can be started.
    pub drills: Vec<Drill>,
}

/// A drill that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    pub name: String,
    pub about: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_plain_names_get_into_a_command_line(drill in "[-a-z0-9./ A-Z;]{0,50}") {
            let order = Order { drill: drill.clone(), region: None };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let fine = drill.len() <= MAX_NAME_BYTES && drill.starts_with(plain) && drill.chars().all(|c| plain(c) || c == '-');
            prop_assert_eq!(order.wrong_field().is_none(), fine);
        }
    }

    #[test]
    fn a_region_is_a_name_too() {
        let order = |region: &str| Order { drill: "region-loss".to_owned(), region: Some(region.to_owned()) };
        assert_eq!(order("eu").wrong_field(), None);
        assert_eq!(order("--seed").wrong_field(), Some("region"));
        assert!(serde_json::from_str::<Order>(r#"{"drill": "a", "force": true}"#).is_err());
    }
}
