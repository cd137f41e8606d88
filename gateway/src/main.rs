//! The yumen binary.
fn main() {}
