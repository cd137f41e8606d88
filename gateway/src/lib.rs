//! Placeholder while the workspace is laid out.

pub mod admin;
pub mod cli;
pub mod config;
pub mod secret;
pub mod telemetry;
