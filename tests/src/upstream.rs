//! Scripted upstreams: raw TCP servers that say exactly what a test tells them to, and remember all they were told.

use crate::message::{Message, message};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What all connections of one upstream have told it.
#[derive(Default)]
struct Heard {
    /// Streams wait behind their beginning until they are let go.
    held: AtomicBool,
    go: Notify,
    bytes: Mutex<Vec<u8>>,
    requests: Mutex<Vec<Message>>,
    accepted: AtomicUsize,
    closed: AtomicUsize,
}

/// A server that follows a script; it stops when dropped.
pub struct Upstream {
    addr: SocketAddr,
    heard: Arc<Heard>,
    _tasks: JoinSet<()>,
}

/// One accepted connection, in the hands of the script.
pub struct Conn {
    socket: TcpStream,
    unread: Vec<u8>,
    heard: Arc<Heard>,
}

impl Upstream {
    /// Runs `script` for every connection.
    pub async fn start<F>(script: impl Fn(Conn) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::new(Heard::default());
        let shared = Arc::clone(&heard);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                let _ = socket.set_nodelay(true);
                shared.accepted.fetch_add(1, SeqCst);
                let conn = Conn {
                    socket,
                    unread: Vec::new(),
                    heard: Arc::clone(&shared),
                };
                let heard = Arc::clone(&shared);
                let work = script(conn);
                running.spawn(async move {
                    // A script's error is the gateway leaving.
                    let _ = work.await;
                    heard.closed.fetch_add(1, SeqCst);
                });
            }
        });
        Self {
            addr,
            heard,
            _tasks: tasks,
        }
    }

    /// From now on streams wait behind their beginning (see [`Conn::between`]).
    pub fn holds(&self) {
        self.heard.held.store(true, SeqCst);
    }

    /// Lets one stream that waits, or will, go on.
    pub fn lets_go(&self) {
        self.heard.go.notify_one();
    }

    /// Answers every request with the same bytes, and keeps the connection.
    pub async fn saying(reply: impl Into<Vec<u8>>) -> Self {
        let reply: Arc<[u8]> = reply.into().into();
        Self::start(move |mut conn| {
            let reply = Arc::clone(&reply);
            async move {
                while conn.request().await.is_some() {
                    conn.write(&reply).await?;
                }
                Ok(())
            }
        })
        .await
    }

    /// Answers every request with the same bytes, then closes.
    pub async fn saying_once(reply: impl Into<Vec<u8>>) -> Self {
        let reply: Arc<[u8]> = reply.into().into();
        Self::start(move |mut conn| {
            let reply = Arc::clone(&reply);
            async move {
                conn.request().await;
                conn.write(&reply).await
            }
        })
        .await
    }

    /// Answers every request well, not streamed.
    pub async fn good() -> Self {
        Self::saying(good_reply()).await
    }

    /// `http://host:port`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.heard.accepted.load(SeqCst)
    }

    /// Scripts that came to their end.
    pub fn closed(&self) -> usize {
        self.heard.closed.load(SeqCst)
    }

    /// Whole requests so far.
    pub fn requests(&self) -> Vec<Message> {
        self.heard.requests.lock().unwrap().clone()
    }

    /// Every byte that arrived.
    pub fn bytes(&self) -> Vec<u8> {
        self.heard.bytes.lock().unwrap().clone()
    }
}

impl Conn {
    /// The next read; `None` when the other side has left.
    pub async fn read(&mut self) -> Option<Vec<u8>> {
        let mut chunk = vec![0; 65536];
        match self.socket.read(&mut chunk).await {
            Ok(read @ 1..) => {
                chunk.truncate(read);
                self.heard.bytes.lock().unwrap().extend_from_slice(&chunk);
                Some(chunk)
            }
            _ => None,
        }
    }

    /// The next whole request; `None` when the other side has left.
    pub async fn request(&mut self) -> Option<Message> {
        loop {
            if let Some((request, rest)) = message(&self.unread) {
                self.unread = rest.to_vec();
                self.heard.requests.lock().unwrap().push(request.clone());
                return Some(request);
            }
            let more = self.read().await?;
            self.unread.extend_from_slice(&more);
        }
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// The other side has left.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await?;
        self.socket.flush().await
    }

    /// Writes the head of a stream without a length; its end is the connection's.
    ///
    /// # Errors
    /// The other side has left.
    pub async fn stream_head(&mut self) -> io::Result<()> {
        self.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
        .await
    }

    /// Writes one event with that text.
    ///
    /// # Errors
    /// The other side has left.
    pub async fn text(&mut self, text: &str) -> io::Result<()> {
        self.write(text_event(text).as_bytes()).await
    }

    /// Waits until the other side has left.
    pub async fn gone(&mut self) {
        while self.read().await.is_some() {}
    }

    /// Behind the beginning of a stream, which is to be a read of its own: waits to be let go where the upstream holds, which
    /// no load can outrun; else pauses.
    pub async fn between(&self, ms: u64) {
        if self.heard.held.load(SeqCst) {
            self.heard.go.notified().await;
        } else {
            self.pause(ms).await;
        }
    }

    /// Pauses.
    pub async fn pause(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// A `data:` event with one piece of text.
pub fn text_event(text: &str) -> String {
    let delta = serde_json::json!({"content": text});
    format!(
        "data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"some-model\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The finish event and the end marker.
pub fn end_events() -> &'static str {
    "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"some-model\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}

/// A good reply, not streamed.
pub fn good_reply() -> String {
    reply(
        "200 OK",
        "application/json",
        r#"{"id":"c-1","object":"chat.completion","created":1,"model":"some-model","choices":[{"index":0,"message":{"role":"assistant","content":"good"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
    )
}

/// A reply of known length.
pub fn reply(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
