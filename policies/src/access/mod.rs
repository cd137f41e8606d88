//! Who asks, and what that principal may ask for.
//!
//! Never sees a request's body and never compares a grade with a clearance.

pub mod dynamic;
pub mod keys;
pub mod principal;
pub mod scope;
pub mod token;
