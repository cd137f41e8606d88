//! The gateway: config, server, pipeline, upstream connections, journal.

pub mod admin;
pub mod alarm;
pub mod book;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decimal;
pub mod demo;
pub mod journal;
pub mod pipeline;
pub mod secret;
pub mod serve;
pub mod server;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
pub mod worker;
