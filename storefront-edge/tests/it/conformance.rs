//! The edge as a plain cache in front of a scripted origin, one test per requirement of `docs/http-cache-conformance.md`. Written from the
//! RFCs. Must not: look into the edge.

pub(crate) mod answer;
pub(crate) mod date;
pub(crate) mod origin;
pub(crate) mod play;
pub(crate) mod step;
mod table;
pub(crate) mod wire;

/// Tests that are steps, and the list of their names.
macro_rules! cases {
    ($($name:ident: $steps:expr;)*) => {
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::conformance::play::play($steps).await;
            }
        )*
    };
}

/// Tests that are more than steps, and the list of their names.
macro_rules! checks {
    ($($name:ident: $test:block;)*) => {
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() $test
        )*
    };
}

/// The files of tests, and all names in them.
macro_rules! files {
    ($($file:ident),* $(,)?) => {
        $(mod $file;)*
        const TESTS: &[(&str, &[&str])] = &[$((stringify!($file), $file::NAMES)),*];
    };
}

files![
    age,
    authorization,
    cache_status,
    conditional,
    directives,
    expires,
    forwarding,
    framing,
    heuristics,
    interim,
    invalidation,
    keys,
    methods,
    partial,
    precedence,
    ranges,
    request_directives,
    stale,
    status_codes,
    storing,
    targeted,
    together,
    updating,
    validation,
    vary,
    while_revalidating,
];
