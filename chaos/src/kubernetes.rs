//! Faults in a Kubernetes cluster, by its own means: pods are deleted, workloads scaled to none and back, network policies laid around pods.
//!
//! Owns: what a fault is there, and carrying it out under a lease that is written on the objects themselves. Must not: reach into a node, or
//! touch an object without the labels of a storefront.

mod access;
mod cluster;
mod deeds;
mod heal;
mod inject;
mod proof;
mod world;

pub use access::{Access, AccessError};
pub use cluster::Cluster;
pub use deeds::{Deed, FAULTS, NotThere, deeds};
pub use heal::{Active, Which};
pub use inject::Injected;
pub use world::{Pod, Workload, WorkloadKind, World};
