//! What was used, and what budgets have left: from the audit log's sums, for the admin API, the command line and the start.
//!
//! The one store is the log (`journal::index::usage`); here its sums are put together as somebody asks for them, or by whose
//! limits they count to. Must never know HTTP or a worker's runtime. Invariants: money is written exactly, per currency; what
//! is not known is said, not left out.

mod answer;
mod asked;
pub mod budgets;
mod owners;
pub mod recover;

pub use answer::{Answer, Line};
pub use asked::{Asked, ROWS_MAX};
