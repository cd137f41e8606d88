//! The config: one YAML file, parsed, checked, built into a snapshot, swapped in.
//!
//! Names are references here and become `Arc`s in the [`snapshot`]. Traffic sees only the last step. Nothing in here
//! reads the environment or the clock on its own: both are passed in.
//!
//! `problem` what is wrong and where, within a text too: `scalar` · `env` variables · `node` the file with places ·
//! `decode` serde over it · `schema`, `tuning`, `units` its form · `load` all of these, with `words` and `price_table`, and `apart` on a thread of its own · `json_schema` for
//! editors · `check` its sense, with `address`, `time`, `zone`, `scope`, `vendors` · `build` and `snapshot` what traffic uses, with `grades` ·
//! `routing`, `governed` the same in words · `changes` what a reload changed · `trial` one to try policies with · `watch` the running one and its reload.

pub mod address;
mod apart;
pub mod build;
pub mod changes;
pub mod check;
pub mod decode;
pub mod dynamic;
pub mod each;
pub mod env;
mod files;
pub mod governed;
mod grades;
pub mod json_schema;
pub mod load;
pub mod node;
pub mod price;
mod price_table;
pub mod problem;
pub mod routing;
pub mod scalar;
pub mod schema;
mod scope;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod trial;
pub mod tuning;
pub mod units;
pub mod vendors;
pub mod watch;
mod words;
pub mod zone;
