//! The gateway: config, server, pipeline, upstream connections, journal.

pub mod tasks;
pub mod upstream;
