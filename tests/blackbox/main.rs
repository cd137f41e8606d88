//! The black-box suite: the real `yumen` executable against simulated and scripted upstreams.
//!
//! One binary, one module a subject; each test reads as a story and starts what it needs. Nothing is skipped: a missing
//! executable is an error.
//!
//! What hurt the users of other gateways has its test here: a client that leaves while the vendor goes on (`cancel`),
//! leaving that makes it free (`cancel`), a cut that ends as a clean 200 (`faults`), fallback in mid-stream (`faults`),
//! one clock for everything (`clocks`), characters cut between reads (`mixing`, `passthrough`), limits overrun by
//! concurrent requests (`keys`), negative usage (`faults`), a refusal that sets off a fallback and a fallback that
//! crosses a border (`law`), one bad key that benches a vendor (`vendors`), no one knows which vendor answered
//! (`faults`), lost records (`journal`), logs that leak (`admin`, `upstreams`), errors inside a 200 (`faults`), a reload
//! that evicts (`reload`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here should stop the test"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::large_futures,
    reason = "a test's tasks and clocks are its own"
)]

mod admin;
mod admission;
mod alerts;
mod audit_events;
mod audit_search;
mod audit_siem;
mod beside;
mod budgets;
mod cancel;
mod certificates;
mod cli;
mod clocks;
mod compare;
mod completions;
mod crashes;
mod discover;
mod doctor;
mod drain;
mod dynamic_keys;
mod faults;
mod framing;
mod front;
mod gates;
mod gemini;
mod growth;
mod heads;
mod identity;
mod input;
mod journal;
mod keys;
mod labels;
mod law;
mod limits;
mod lines;
mod links;
mod matrix;
mod media;
mod messages;
mod minimax_pro;
mod mixing;
mod moderations;
mod pangu;
mod passthrough;
mod patience;
mod payloads;
mod policy_cli;
mod policy_law;
mod policy_metrics;
mod policy_places;
mod policy_reply;
mod policy_restore;
mod pressure;
mod readers;
mod reload;
mod replies;
mod responses;
mod revocation;
mod scopes;
mod sockets;
mod stances;
mod tls;
mod translate;
mod upstreams;
mod usage;
mod vendors;
mod wants;
