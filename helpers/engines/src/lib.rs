//! Starts and asks the programs of chapter 07: the cluster's (Ballista, apalis with Redis) and any
//! command line. It knows nothing of how they work: those programs are `helpers/cluster`, built apart.

pub mod cluster;
pub mod compare;
pub mod shell;

pub use cluster::*;
pub use compare::*;
pub use shell::*;
