//! The command line: what `yumen` is asked to do, and what it answers.
//!
//! Knows how to check, print a schema, try a policy, make a key and read an audit log; serving and the demo are run by
//! functions that the binary passes in. Invariants: data goes to stdout, talk to stderr; exit codes are 0 ok, 1 the thing checked does not
//! hold, 2 wrong usage or unusable config.

mod audit;
mod budget;
mod check;
mod doctor;
mod key;
mod matrix;
mod policy;
mod remote;
mod scan;
mod table;
mod usage;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::json_schema::json_schema;
use crate::config::vendors::VendorBook;

/// Wrong usage, or a config that cannot be used.
pub const UNUSABLE: u8 = 2;

/// A gateway and governance proxy for language models.
#[derive(Debug, Parser)]
#[command(
    name = "yumen",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(ServeArgs),
    /// Run gateway and simulated vendors in one process, with sample keys: no accounts needed
    Demo(DemoArgs),
    /// Check a config without starting anything; print its routing table
    #[command(after_help = "Exit codes: 0 the config can be used, 2 it cannot.")]
    Check(CheckArgs),
    /// Reach every provider with its credential; say which work, how fast, and what is wrong
    #[command(after_help = "Exit codes: 0 all hold, 1 one does not, 2 the config cannot be used.")]
    Doctor(doctor::DoctorArgs),
    /// Print the JSON Schema of the config, for editors
    Schema,
    /// Run the detectors over standard input: print it redacted, or what was found
    #[command(after_help = scan::types())]
    Scan(ScanArgs),
    /// Print what each vendor can do for each client dialect, as Markdown
    Matrix(MatrixArgs),
    /// Try policies: tests, explanations, replays
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Virtual keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(Box<audit::AuditCommand>),
    /// What was used: requests, tokens and cost by key, team, model, day and more
    Usage(Box<usage::UsageArgs>),
    /// Budgets: what is left, and what a figure is made of
    #[command(subcommand)]
    Budget(Box<budget::BudgetCommand>),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `yumen serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The config file
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "YUMEN_CONFIG",
        default_value = "yumen.yaml"
    )]
    pub config: PathBuf,
}

/// `yumen demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where applications connect
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// The admin endpoint
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    pub admin: String,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The config file
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "YUMEN_CONFIG",
        default_value = "yumen.yaml"
    )]
    config: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ScanArgs {
    /// Read {"id","text"} lines, write {"id","spans":[{"start","end","type","grade"}]} lines
    #[arg(long)]
    jsonl: bool,
}

#[derive(Debug, Args)]
struct MatrixArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What the binary provides: the parts of the gateway that a command starts.
pub struct Runners {
    /// `yumen serve`.
    pub serve: fn(ServeArgs) -> anyhow::Result<ExitCode>,
    /// `yumen demo`.
    pub demo: fn(DemoArgs) -> anyhow::Result<ExitCode>,
    /// The vendors that a config may name.
    pub book: Arc<dyn VendorBook>,
}

impl fmt::Debug for Runners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runners")
    }
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn run(runners: &Runners) -> ExitCode {
    // clap itself ends the process: 0 after --help and --version, 2 on wrong usage.
    let cli = Cli::parse();
    // Not locked: a runner's other threads print too.
    finish(dispatch(cli.command, runners, &mut io::stdout()))
}

fn finish(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        // `yumen … | head` is no error.
        let closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
        if error.downcast_ref().is_some_and(closed) {
            return ExitCode::SUCCESS;
        }
        // stderr may be closed too; then there is nobody to tell.
        let _ = writeln!(io::stderr(), "yumen: {error:#}");
        ExitCode::from(UNUSABLE)
    })
}

fn dispatch(command: Command, runners: &Runners, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => (runners.serve)(args),
        Command::Demo(args) => (runners.demo)(args),
        Command::Audit(command) => audit::run(&command, out, &mut io::stderr()),
        Command::Check(args) => {
            let env = |name: &str| std::env::var(name).ok();
            check::run(&args, &env, &*runners.book, out, &mut io::stderr())
        }
        Command::Doctor(args) => {
            let env = |name: &str| std::env::var(name).ok();
            doctor::run(&args, &env, &*runners.book, out, &mut io::stderr())
        }
        Command::Schema => {
            writeln!(out, "{:#}", json_schema())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Scan(args) => {
            let mut buffered = io::BufWriter::new(&mut *out);
            scan::run(&args, &mut io::stdin().lock(), &mut buffered)
        }
        Command::Policy(command) => {
            let env = |name: &str| std::env::var(name).ok();
            let means = policy::Means {
                env: &env,
                book: &*runners.book,
                now: std::time::SystemTime::now(),
            };
            policy::run(&command, means, out, &mut io::stderr())
        }
        Command::Usage(args) => usage::run(&args, out, &mut io::stderr()),
        Command::Budget(command) => {
            let env = |name: &str| std::env::var(name).ok();
            let means = budget::Means {
                env: &env,
                book: &*runners.book,
                now: std::time::SystemTime::now(),
            };
            budget::run(&command, means, out, &mut io::stderr())
        }
        Command::Matrix(args) => matrix::print(&args, out),
        Command::Key(command) => key::run(&command, out),
        Command::Completions { shell } => {
            // clap_complete panics when its writer fails; a vector does not.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "yumen", &mut script);
            out.write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests;
