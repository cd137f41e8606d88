//! `loadtest`: the mock upstream, the bare proxy, the load, and the comparison that every figure comes from.
//!
//! `cargo run --release -p loadtest -- compare` is the command. This tool must never link the gateway: it measures
//! the executable that is shipped. Invariant: a run with one failed request is a failed run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test tool: a failure here should stop the run, and its output is what it is for"
)]

mod client;
mod compare;
mod keys;
mod log;
mod script;
mod servers;
mod workload;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use compare::measure::{Percentiles, Plan, units};
use compare::proc::Usage;
use http::Uri;
use std::net::SocketAddr;
use std::time::Duration;
use workload::Workload;

#[derive(Parser)]
#[command(about = "Measures the gateway against a bare hyper proxy")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The mock upstream; a model's name chooses its behaviour
    Mock(Server),
    /// The bare hyper proxy
    Bare {
        #[command(flatten)]
        server: Server,
        /// Where everything is forwarded: http://HOST:PORT
        #[arg(long)]
        upstream: Uri,
        /// Poll the upstream connection within the reply instead of in a task of its own
        #[arg(long)]
        inline: bool,
    },
    /// One workload against one server
    Bench(Bench),
    /// All workloads, the gateway and the bare proxy, in alternating pairs
    Compare(Box<compare::Options>),
    /// A synthetic audit log: writes it, indexes it, searches it
    Log(log::Options),
    /// Many virtual keys: their memory, and the gaps of streams while they are reloaded
    Keys(keys::Options),
}

#[derive(Args)]
struct Server {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// End when stdin does: so a server never outlives who started it
    #[arg(long)]
    until_stdin_ends: bool,
}

#[derive(Args)]
struct Bench {
    /// http://HOST:PORT
    #[arg(long)]
    url: Uri,
    #[arg(long, ignore_case = true)]
    workload: Workload,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[arg(long)]
    connections: Option<usize>,
    /// Open loop at this many requests a second
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value = "ym-none", hide_default_value = true)]
    key: String,
    /// Streams do not ask for the usage event
    #[arg(long)]
    no_usage: bool,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Also tell the CPU time of this process
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Mock(server) => serve(&server, servers::mock::run(server.listen)),
        Command::Bare {
            server,
            upstream,
            inline: false,
        } => serve(&server, servers::bare::run(server.listen, &upstream)),
        Command::Bare {
            server,
            upstream,
            inline: true,
        } => serve(&server, servers::inline::run(server.listen, &upstream)),
        Command::Bench(options) => bench(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Log(options) => log::run(&options),
        Command::Keys(options) => keys::run(&options),
    }
}

fn serve(server: &Server, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    if server.until_stdin_ends {
        std::thread::spawn(|| {
            let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
    servers::runtime(server.threads)?.block_on(work)
}

fn bench(options: &Bench) -> anyhow::Result<()> {
    let addr: SocketAddr = options
        .url
        .authority()
        .context("the URL needs host and port")?
        .as_str()
        .parse()?;
    let plan = Plan {
        warm_up: Duration::from_secs(1),
        window: Duration::from_secs_f64(options.seconds),
        load_threads: options.threads,
        usage: !options.no_usage,
        rate: None,
        idle_streams: None,
    };
    let mut load = plan.load(options.workload, addr, &options.key);
    load.connections = options.connections.unwrap_or(load.connections);
    load.rate = options.rate.or(load.rate);
    let mut looks = Vec::new();
    let outcome = client::run(&load, &mut || {
        looks.extend(options.pid.map(Usage::of).transpose()?);
        Ok(())
    })?;
    let units = units(options.workload, &outcome);
    println!(
        "{} {}s in {:.2} s",
        units,
        options.workload.unit().name(),
        outcome.seconds
    );
    println!("{:.0} per second", units as f64 / outcome.seconds);
    if let [from, to] = &looks[..] {
        let cpu_us = to.cpu_ns_since(from) as f64 / 1000.0;
        println!(
            "{:.2} µs CPU each; {} KiB resident, {} at most",
            cpu_us / units as f64,
            to.rss_kib,
            to.peak_kib
        );
        for (name, ns) in to.threads_ns_since(from) {
            println!("  {name} {:.2} µs", ns as f64 / 1000.0 / units as f64);
        }
    }
    for (name, times) in [
        ("reply", &outcome.times.total),
        ("first event", &outcome.times.first),
        ("gap", &outcome.times.gap),
    ] {
        let Percentiles {
            count,
            p50,
            p90,
            p99,
            p999,
            max,
        } = Percentiles::of(times);
        if count > 0 {
            println!(
                "{name}: p50 {p50:.0}, p90 {p90:.0}, p99 {p99:.0}, p99.9 {p999:.0}, max {max:.0} µs ({count})"
            );
        }
    }
    Ok(())
}
