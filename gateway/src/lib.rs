//! The gateway: config, server, pipeline, upstream connections, admin endpoint. The audit log is the crate `journal`.

pub mod access;
pub mod admin;
pub mod alarm;
pub mod alerts;
pub mod audit;
pub mod book;
pub mod cli;
pub mod config;
pub mod demo;
pub mod discover;
pub mod doctor;
pub mod failures;
pub mod identity;
pub mod io;
pub mod pipeline;
mod recent;
pub mod secret;
pub mod serve;
pub mod server;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
pub mod usage;
pub mod worker;
