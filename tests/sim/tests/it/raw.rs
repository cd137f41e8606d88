//! A client that is as plain as can be: it writes a request and keeps the bytes that come back until the end.

use serde_json::Value;
use sim::{Options, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// With chunk framing taken off.
    pub(crate) body: String,
    /// The body ended as its framing says it should.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }
    /// JSON of all `data` events.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        lines
            .filter(|data| data.trim() != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}")))
            .collect()
    }
    pub(crate) fn done(&self) -> bool {
        self.body.ends_with("data: [DONE]\n\n")
    }
}

pub(crate) async fn sim() -> Sim {
    sim::start(Options::default()).await.unwrap()
}

/// The path of a surface's chat endpoint.
pub(crate) fn chat_path(surface: &str) -> String {
    let odd = match surface {
        "anthropic" => "/anthropic/v1/messages",
        "wenxin" => "/v2/chat/completions",
        "tongyi" => "/api/v1/services/aigc/text-generation/generation",
        "tongyi-compatible" => "/compatible-mode/v1/chat/completions",
        "glm" => "/api/paas/v4/chat/completions",
        "minimax-v2" => "/minimax-v2/v1/text/chatcompletion_v2",
        "minimax-pro" => "/minimax-pro/v1/text/chatcompletion_pro?GroupId=g",
        "pangu" => "/pangu/v1/0123456789abcdef0123456789abcdef/deployments/m/chat/completions",
        "pangu-v2" => "/pangu-v2/api/v2/chat/completions",
        "doubao" => "/doubao/api/v3/chat/completions",
        "azure-openai" => {
            "/azure-openai/openai/deployments/m/chat/completions?api-version=2024-10-21"
        }
        "cohere" => "/cohere/compatibility/v1/chat/completions",
        "sensenova-native" => "/sensenova-native/v1/llm/chat-completions",
        other => return format!("/{other}/v1/chat/completions"),
    };
    odd.to_owned()
}

pub(crate) async fn chat(sim: &Sim, surface: &str, body: &Value) -> Answer {
    let auth = "authorization: Bearer test.key\r\n";
    post(sim, &chat_path(surface), auth, &body.to_string()).await
}

pub(crate) async fn post(sim: &Sim, path: &str, headers: &str, body: &str) -> Answer {
    read_answer(send(sim, path, headers, body).await).await
}

pub(crate) async fn send(sim: &Sim, path: &str, headers: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(sim.addr()).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: vendor.test\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

pub(crate) async fn get(sim: &Sim, path: &str, headers: &str) -> Answer {
    let mut socket = TcpStream::connect(sim.addr()).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: vendor.test\r\nconnection: close\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    read_answer(socket).await
}

pub(crate) async fn read_answer(mut socket: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes).await;
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(at) = at else {
        return Answer {
            status: 0,
            head: String::from_utf8_lossy(&bytes).into(),
            body: String::new(),
            complete: false,
        };
    };
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let rest = &bytes[at + 4..];
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let (body, complete) = if chunked {
        unchunk(rest)
    } else {
        (rest.to_vec(), true)
    };
    let mut answer = Answer {
        status,
        head,
        body: String::from_utf8_lossy(&body).into(),
        complete,
    };
    if let Some(length) = answer.header("content-length") {
        answer.complete = length.parse::<usize>().unwrap() == body.len();
    }
    answer
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    loop {
        let Some(at) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (out, false);
        };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        rest = &rest[at + 2..];
        if size == 0 {
            return (out, true);
        }
        out.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}
