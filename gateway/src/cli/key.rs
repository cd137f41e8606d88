//! `yumen key create`: a new virtual key, shown once.
//!
//! Stores nothing: the hash goes into the config by hand, the key to whoever uses it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use policies::access::token;
use serde_json::json;

use super::KeyCreateArgs;
use crate::config::check::KEY_ID_BYTES_MAX;

pub(super) fn create(args: &KeyCreateArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let key = token::create(aws_lc_rs::rand::fill).context("no randomness from the system")?;
    let hash = token::show_digest(&token::digest(key.as_bytes()));
    let id = match &args.id {
        Some(id) => {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            ensure!(
                (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed),
                "an id is 1 to {KEY_ID_BYTES_MAX} letters, digits, dots, hyphens or underscores"
            );
            id.clone()
        }
        // Eight digits of the hash tell keys apart and tell nothing of the key.
        None => format!("key-{}", hash.get(7..15).unwrap_or("new")),
    };
    if args.json {
        writeln!(out, "{}", json!({ "id": id, "key": key, "hash": hash }))?;
    } else {
        writeln!(out, "key:  {key}")?;
        writeln!(
            out,
            "      it is shown this once; hand it to the application"
        )?;
        writeln!(out, "keys:")?;
        writeln!(out, "  - {{ id: {id}, hash: \"{hash}\" }}")?;
    }
    Ok(ExitCode::SUCCESS)
}
