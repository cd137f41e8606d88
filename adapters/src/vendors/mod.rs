//! The vendors, one file each, and what several of them share.

pub(crate) mod blame;
pub(crate) mod openai_like;

pub(crate) mod openai_compatible;
