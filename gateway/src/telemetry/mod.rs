//! What the gateway says about itself: metrics for machines, a log for people.
//!
//! Never sees a body, a key or a secret; labels and fields come from the config's names and from closed sets of words.

pub mod discovery;
pub mod export;
pub mod log;
pub mod metrics;
pub mod policy;
mod process;
pub mod queue;
pub mod series;
pub mod stores;
pub mod tree;
