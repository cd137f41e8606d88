//! The config: one YAML file, parsed, checked, built into a snapshot, swapped in.
//!
//! Names are references here and become `Arc`s in the [`snapshot`]. Traffic sees only the last step. Nothing in here
//! reads the environment or the clock on its own: both are passed in.
//!
//! `problem` what is wrong and where · `env` variables · `node` the file with places · `decode` serde over it ·
//! `schema`, `tuning`, `units` its form · `load` all of these · `json_schema` for editors.

pub mod decode;
pub mod env;
pub mod json_schema;
pub mod load;
pub mod node;
pub mod problem;
pub mod schema;
pub mod tuning;
pub mod units;
