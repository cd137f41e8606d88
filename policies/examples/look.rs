//! Looks through a text as a request's is, for counting what that costs:
//! `cargo run --release -p policies --example look -- FILE ROUNDS`, under `valgrind --tool=callgrind`.
//!
//! The file's text is repeated up to 200 KiB, escaped as inside a JSON string, and looked through in pieces.

#![allow(clippy::print_stdout, reason = "an example")]

use policies::scan::{Finding, Set, Stream};
use wire::json::{Pieces, escape};

const BYTES: usize = 200 << 10;
const PIECE_BYTES: usize = 8 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which file?")?;
    let rounds: usize = args.next().map_or(Ok(1), |n| n.parse())?;
    let text: String = std::fs::read_to_string(file)?
        .chars()
        .cycle()
        .take(BYTES)
        .collect();
    let mut raw = Vec::new();
    escape(
        text.get(..text.floor_char_boundary(BYTES)).unwrap_or(""),
        &mut raw,
    );
    let raw = String::from_utf8(raw)?;
    let set =
        Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    // What is made when it is first needed does not count.
    look(&set, &raw, &mut found);
    for _ in 0..rounds {
        found.clear();
        counted(&set, &raw, &mut found);
    }
    println!("{} findings in {} bytes", found.len(), raw.len());
    Ok(())
}

/// For `--toggle-collect='*counted*'`.
#[inline(never)]
fn counted(set: &Set, raw: &str, found: &mut Vec<Finding>) {
    look(set, raw, found);
}

fn look(set: &Set, raw: &str, found: &mut Vec<Finding>) {
    let (mut stream, mut pieces) = (Stream::new(), Pieces::new(raw));
    let mut more = true;
    while more {
        stream.push_with(set, found, |text| {
            more = pieces.next_onto(text, PIECE_BYTES)
        });
    }
    stream.finish(set, found);
}
