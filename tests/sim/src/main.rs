//! `yumen-sim`: the simulated vendors on their own, for people and for the vendors' official SDKs.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

const USAGE: &str = "usage: yumen-sim [--listen ADDR] [--pace none|human]";

#[tokio::main]
async fn main() -> ExitCode {
    let options = match read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => return fail(&message),
    };
    let sim = match sim::start(options).await {
        Ok(sim) => sim,
        Err(error) => return fail(&format!("cannot listen: {error}")),
    };
    let ready = writeln!(std::io::stdout(), "ready http://{}", sim.addr());
    if ready.is_err() {
        return ExitCode::FAILURE;
    }
    let _ = tokio::signal::ctrl_c().await;
    sim.shutdown().await;
    ExitCode::SUCCESS
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{message}\n{USAGE}");
    ExitCode::from(2)
}

fn read(mut args: impl Iterator<Item = String>) -> Result<sim::Options, String> {
    let mut options = sim::Options::default();
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => {
                options.listen = value
                    .parse::<SocketAddr>()
                    .map_err(|error| error.to_string())?
            }
            "--pace" if value == "none" => options.pace = sim::Pace::None,
            "--pace" if value == "human" => options.pace = sim::Pace::Human,
            _ => return Err(format!("unknown argument {flag} {value}")),
        }
    }
    Ok(options)
}
