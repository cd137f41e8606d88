//! A wire between gateway and upstream that writes down every byte of both directions.
//!
//! Changes nothing and understands nothing: what it recorded is cut into messages afterwards.

use crate::message::{Message, messages};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[derive(Default)]
struct Recorded {
    up: Vec<u8>,
    down: Vec<u8>,
}

type Connections = Arc<Mutex<Vec<Arc<Mutex<Recorded>>>>>;

/// The wire; it is cut when dropped.
pub struct Tee {
    addr: SocketAddr,
    connections: Connections,
    _tasks: JoinSet<()>,
}

impl Tee {
    /// Leads to `to`.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Connections::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, to, Arc::clone(&connections)));
        Self {
            addr,
            connections,
            _tasks: tasks,
        }
    }

    /// What goes in place of the upstream's origin: `base_url` with another authority.
    pub fn instead_of(&self, base_url: &str) -> String {
        let rest = base_url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_once('/'))
            .map_or("", |(_, path)| path);
        format!("http://{}/{rest}", self.addr)
    }

    /// All requests that went up, in the order of their connections.
    pub fn requests(&self) -> Vec<Message> {
        self.each(|recorded| messages(&recorded.up).0)
    }

    /// All replies that came down whole.
    pub fn replies(&self) -> Vec<Message> {
        self.each(|recorded| messages(&recorded.down).0)
    }

    fn each(&self, read: impl Fn(&Recorded) -> Vec<Message>) -> Vec<Message> {
        self.connections
            .lock()
            .unwrap()
            .iter()
            .flat_map(|one| read(&one.lock().unwrap()))
            .collect()
    }

    /// Forgets what was recorded on connections that are closed or quiet.
    pub fn clear(&self) {
        for one in self.connections.lock().unwrap().iter() {
            *one.lock().unwrap() = Recorded::default();
        }
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, connections: Connections) {
    let mut running = JoinSet::new();
    loop {
        let Ok((down, _)) = listener.accept().await else {
            continue;
        };
        let recorded = Arc::new(Mutex::new(Recorded::default()));
        connections.lock().unwrap().push(Arc::clone(&recorded));
        running.spawn(async move {
            let Ok(up) = TcpStream::connect(to).await else {
                return;
            };
            let _ = (down.set_nodelay(true), up.set_nodelay(true));
            let (mut down_read, mut down_write) = down.into_split();
            let (mut up_read, mut up_write) = up.into_split();
            let of_up = Arc::clone(&recorded);
            // Either side's end ends both: a gateway that leaves must be seen to leave.
            tokio::select! {
                () = async {
                    let mut chunk = vec![0; 65536];
                    while let Ok(read @ 1..) = down_read.read(&mut chunk).await {
                        of_up.lock().unwrap().up.extend_from_slice(&chunk[..read]);
                        if up_write.write_all(&chunk[..read]).await.is_err() { break; }
                    }
                } => {}
                () = async {
                    let mut chunk = vec![0; 65536];
                    while let Ok(read @ 1..) = up_read.read(&mut chunk).await {
                        recorded.lock().unwrap().down.extend_from_slice(&chunk[..read]);
                        if down_write.write_all(&chunk[..read]).await.is_err() { break; }
                    }
                } => {}
            }
        });
    }
}
