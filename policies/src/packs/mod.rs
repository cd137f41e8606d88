//! The rule packs that are shipped, as data.
