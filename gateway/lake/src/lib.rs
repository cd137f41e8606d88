//! The audit log as a table in a lake: Parquet files in a directory or an object store.
//!
//! A crate of its own because of what it builds on. `table` says what a row looks like and writes files; `store` is
//! where they go. When and what is shipped is decided by the gateway.
//!
//! Must never know the config, open a socket, or read a clock.

pub mod store;
pub mod table;
