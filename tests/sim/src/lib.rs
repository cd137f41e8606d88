//! Simulated model vendors: real HTTP servers (HTTP/1.1 and prior-knowledge HTTP/2) that speak the vendors' own wire
//! protocols, refuse what the vendors refuse, and fail on request. For black-box tests and for `yumen demo`.
//!
//! Every reply says that it is simulated: header `x-simulated-vendor`, and text that opens with `[模拟 … simulated]`.
//! Written from the vendors' documents and independent of yumen's codecs, or our mistakes would cancel out: this crate
//! must never depend on another crate of ours.
//!
//! - What the reply says and counts: `plan.rs`. A request whose last user text has `weather` or `天气`, and that offers
//!   tools, gets a tool call (two with `two` or `两`, where the vendor makes two); `reasoning`, or `think` in the model
//!   name, gets reasoning first.
//! - Faults, asked for with the model name (`qwen-plus@status:429@retryafter:3`): `faults.rs`, and the table in README.md.
//! - A credential is good unless it is missing, empty, or has `invalid` in it; GLM's must be `id.secret` or its JWT.
//! - A model whose name begins with `no-such` does not exist.

mod answer;
mod body;
mod faults;
mod handshake;
mod io;
mod json;
mod plan;
mod record;
mod script;
mod serve;
mod socket;
mod surfaces;

pub use record::Received;

/// The simulated vector of a text: tests know by it which text a vendor was asked about.
#[must_use]
pub fn vector_of(text: &str, length: usize) -> Vec<f32> {
    surfaces::beside::vector(text, length)
}

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use record::Records;
use serve::Shared;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections served at once; more are closed at once.
const CONNECTIONS_MAX: usize = 16_384;
/// HTTP/2 streams per connection.
const STREAMS_MAX: u32 = 1024;

/// The GLM key the simulator can check signatures of: not a secret, it signs the published test vector.
pub const GLM_TEST_KEY: &str = "0123456789abcdef0123456789abcdef.FakeSecretForTest";
/// The Baidu access key of the published `bce-auth-v1` vector.
pub const BCE_TEST_ACCESS_KEY: &str = "ALTAKfakeaccesskey0001";
/// The secret key that belongs to it; not a secret.
pub const BCE_TEST_SECRET_KEY: &str = "fakesecretkey0000000000000000001";

pub use surfaces::{BLUELM_TEST_APP, BLUELM_TEST_KEY};
pub use surfaces::{SPARK_TEST_APP, SPARK_TEST_KEY, SPARK_TEST_SECRET};

/// The SenseNova access key of the published JWT vector.
pub const SENSENOVA_TEST_ACCESS_KEY: &str = "AK_TEST_0001";
/// The secret key that belongs to it; not a secret.
pub const SENSENOVA_TEST_SECRET_KEY: &str = "SK_TEST_secret_0001";

/// The keys whose signatures the simulated Bedrock takes, and the region that they are for; no secrets.
pub const BEDROCK_TEST_ACCESS_KEY: &str = "AKIDSIMULATED0000001";
/// The secret half.
pub const BEDROCK_TEST_SECRET_KEY: &str = "SimulatedSecretKeyOfBedrock0001";
/// The region.
pub const BEDROCK_TEST_REGION: &str = "us-east-1";

pub use surfaces::{
    PANGU_TEST_ACCESS_KEY, PANGU_TEST_PROJECT, PANGU_TEST_REGION, PANGU_TEST_SECRET_KEY,
};

/// How fast events follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the client reads.
    #[default]
    None,
    /// About 25 events a second with jitter, as a person sees a model type.
    Human,
}

/// How a simulator is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub pace: Pace,
    /// How many of the newest requests are kept.
    pub record: usize,
    /// Keys `id.secret` whose JWTs the GLM surface accepts.
    pub glm_keys: Vec<String>,
    /// Access and secret keys whose signatures the `wenxin-v1` surface accepts.
    pub bce_keys: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pace: Pace::None,
            record: 1024,
            glm_keys: vec![GLM_TEST_KEY.to_owned()],
            bce_keys: vec![(
                BCE_TEST_ACCESS_KEY.to_owned(),
                BCE_TEST_SECRET_KEY.to_owned(),
            )],
        }
    }
}

/// A running simulator; it stops when dropped.
pub struct Sim {
    addr: SocketAddr,
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Connections {
    open: AtomicUsize,
    accepted: AtomicUsize,
}

/// Counts one open connection while it lives.
struct Open(Arc<Connections>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Starts one listener that serves all surfaces.
pub async fn start(options: Options) -> std::io::Result<Sim> {
    let listener = TcpListener::bind(options.listen).await?;
    let addr = listener.local_addr()?;
    let shared = Arc::new(Shared {
        records: Records::new(options.record),
        options,
        tokens: surfaces::Tokens::default(),
        serial: AtomicU64::new(1),
    });
    let connections = Arc::new(Connections::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(
        listener,
        Arc::clone(&shared),
        Arc::clone(&connections),
    ));
    Ok(Sim {
        addr,
        shared,
        connections,
        tasks,
    })
}

impl Sim {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What goes into a provider's `base_url`, so that the vendor's real path can be appended to it; for a name that is
    /// not among [`Sim::surfaces`], the bare origin.
    pub fn base_url(&self, surface: &str) -> String {
        let known = surfaces::SURFACES
            .iter()
            .find(|(name, ..)| *name == surface);
        let base = known.map_or("", |(_, base, ..)| *base);
        format!("http://{}{base}", self.addr)
    }

    /// The names that [`Sim::base_url`] knows.
    pub fn surfaces() -> impl Iterator<Item = &'static str> {
        surfaces::SURFACES.iter().map(|(name, ..)| *name)
    }

    /// The newest requests, oldest first, with how far their replies have come by now.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.records.all()
    }

    /// Forgets the requests; counters go on.
    pub fn clear(&self) {
        self.shared.records.clear();
    }

    /// Streams being sent right now.
    pub fn live_streams(&self) -> usize {
        self.shared.records.live()
    }

    /// Replies, so far, whose client left before their end.
    pub fn cancelled(&self) -> usize {
        self.shared.records.cancelled()
    }

    /// Connections open right now.
    pub fn connections(&self) -> usize {
        self.connections.open.load(Relaxed)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.connections.accepted.load(Relaxed)
    }

    /// Access tokens that the token office of `wenxin-v1` has given out.
    pub fn token_fetches(&self) -> u64 {
        self.shared.tokens.issued()
    }

    /// Tokens that Huawei's identity service has given out.
    pub fn iam_fetches(&self) -> u64 {
        self.shared.tokens.iam.issued()
    }

    /// Every token given out until now is refused as run out from now on.
    pub fn expire_tokens(&self) {
        self.shared.tokens.expire_all();
    }

    /// Closes the listener and all connections.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: Arc<Connections>) {
    // Dropped with this task, so that connections end with the listener.
    let mut running = JoinSet::new();
    loop {
        while running.try_join_next().is_some() {}
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        if running.len() >= CONNECTIONS_MAX {
            continue;
        }
        let _ = socket.set_nodelay(true);
        connections.accepted.fetch_add(1, Relaxed);
        connections.open.fetch_add(1, Relaxed);
        let open = Open(Arc::clone(&connections));
        running.spawn(connection(socket, Arc::clone(&shared), open));
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>, open: Open) {
    let socket = Arc::new(socket);
    let raw = Arc::clone(&socket);
    let slot = Arc::new(socket::Slot::default());
    let later = Arc::clone(&slot);
    let service = hyper::service::service_fn(move |request| {
        let slot = Arc::clone(&slot);
        serve::serve(Arc::clone(&shared), Arc::clone(&raw), slot, request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX);
    // An error here is the client leaving or a fault that was asked for.
    let _ = builder
        .serve_connection_with_upgrades(io::Io(socket), service)
        .await;
    socket::run(&later).await;
    drop(open);
}
