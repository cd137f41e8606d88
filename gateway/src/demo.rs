//! `yumen demo`: the gateway in front of simulated vendors, in one process, with commands to paste.
//!
//! Everything goes the ordinary way: a config file, the same start as `serve`, real sockets. Only the vendors are
//! simulated, and say so in every reply; a runtime that answers on this machine's usual ports is used for real. Keys are
//! fixed and worthless: the demo listens on loopback unless told otherwise.

mod config;
mod tour;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sim::{Options, Pace};

use self::config::config;
use self::tour::tour;
use crate::book::Registry;
use crate::config::watch::ConfigStore;
use crate::serve;

/// The sample keys: fixed, so that printed commands work anywhere.
const KEY: &str = "ym-demo";
const KEY_RESTRICTED: &str = "ym-demo-restricted";
/// Where runtimes listen when nobody tells them otherwise.
const RUNTIMES: [(&str, u16); 4] = [
    ("ollama", 11434),
    ("vllm", 8000),
    ("llamacpp", 8080),
    ("llamacpp", 9931),
];
/// A runtime on this machine answers its model list in far less.
const PROBE: Duration = Duration::from_millis(400);
/// A model list is short.
const PROBE_BYTES: u64 = 64 << 10;
/// Ports tried after the wanted one when it is taken.
const PORTS_TRIED: u16 = 20;

/// A model server found on this machine.
struct Found {
    vendor: &'static str,
    port: u16,
    model: String,
}

/// Runs the demo until a signal.
///
/// # Errors
/// What keeps it from starting.
pub fn run(listen: &str, admin: &str) -> anyhow::Result<ExitCode> {
    let found = RUNTIMES
        .iter()
        .find_map(|(vendor, port)| probe(vendor, *port));
    let vendors = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("simulated-vendors")
        .enable_all()
        .build()?;
    let sim = vendors.block_on(sim::start(Options {
        pace: Pace::Human,
        ..Options::default()
    }))?;
    let home = Home::make()?;
    let listen = free(listen, None)?;
    let admin = free(admin, Some(listen))?;
    let path = home.0.join("yumen.yaml");
    std::fs::write(&path, config(&sim, found.as_ref(), &home.0, listen, admin)?)?;
    let opened = ConfigStore::open(&path, Box::new(|_| None), Arc::new(Registry));
    let (store, warnings) = opened.map_err(|problems| {
        anyhow::anyhow!(
            "the demo's own config is wrong: {}",
            problems.iter().map(ToString::to_string).collect::<String>()
        )
    })?;
    let running = serve::start(serve::Control::new()?, store, &warnings)?;
    running.announce()?;
    std::io::stdout()
        .write_all(tour(&running, &sim.base_url(""), found.as_ref(), &home.0)?.as_bytes())?;
    std::io::stdout().flush()?;
    let ended = running.until_ended();
    drop(vendors);
    ended
}

/// The demo's directory; gone with it.
struct Home(PathBuf);

impl Home {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("yumen-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing is lost but samples.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The wanted address, or the next with a free port; not that of an address that is `ours` already.
fn free(wanted: &str, ours: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    let wanted: SocketAddr = wanted
        .parse()
        .with_context(|| format!("`{wanted}` is no address: write 127.0.0.1:8080"))?;
    let ports = (0..=PORTS_TRIED).filter_map(|step| wanted.port().checked_add(step));
    let mut candidates = ports.map(|port| SocketAddr::new(wanted.ip(), port));
    let is_ours = |port: u16| port != 0 && ours.is_some_and(|ours| ours.port() == port);
    candidates
        .find(|address| !is_ours(address.port()) && std::net::TcpListener::bind(address).is_ok())
        .with_context(|| format!("{wanted} and the ports after it are taken"))
}

/// Asks a usual port for its first model.
fn probe(vendor: &'static str, port: u16) -> Option<Found> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut socket = TcpStream::connect_timeout(&address, PROBE).ok()?;
    socket.set_read_timeout(Some(PROBE)).ok()?;
    socket
        .write_all(
            format!("GET /v1/models HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .ok()?;
    let mut reply = Vec::new();
    // A time-out after the body has come is no failure.
    let _ = socket.take(PROBE_BYTES).read_to_end(&mut reply);
    let reply = String::from_utf8(reply).ok()?;
    let body = reply
        .strip_prefix("HTTP/1.1 200")
        .and_then(|rest| rest.find('{').and_then(|at| rest.get(at..)))?;
    let end = body.rfind('}')?;
    let listed: serde_json::Value = serde_json::from_str(body.get(..=end)?).ok()?;
    let model = listed.get("data")?.get(0)?.get("id")?.as_str()?.to_owned();
    // Another gateway is no runtime.
    let ours = listed
        .get("data")?
        .get(0)?
        .get("owned_by")
        .and_then(serde_json::Value::as_str)
        == Some("yumen");
    (!ours).then_some(Found {
        vendor,
        port,
        model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_once() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = taken.local_addr().unwrap().to_string();
        let Ok(listen) = free(&wanted, None) else {
            return;
        };
        assert_ne!(listen.to_string(), wanted);
        let admin = free(&listen.to_string(), Some(listen)).unwrap();
        assert!(admin.port() > listen.port());
        let any = free("127.0.0.1:0", free("127.0.0.1:0", None).ok()).unwrap();
        assert_eq!(any.port(), 0);
    }
}
