//! What one request of a vendor's API is answered: as the vendor does, or spoilt by the fault that its model's name asks for.

use crate::Pace;
use crate::body::{Script, Severed, Step};
use crate::faults::Faults;
use crate::io::write_raw;
use crate::json;
use crate::plan::{Ask, Plan, Ready};
use crate::record::Track;
use crate::script;
use crate::serve::{Outcome, Reply, plain, put};
use crate::surfaces::{Stamp, Trouble, Voice};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};
use std::time::Duration;
use tokio::net::TcpStream;

/// `@headers:endless` stops here, so that a client without a limit fails its test and not the machine.
const ENDLESS_HEADERS_MAX: usize = 64 << 20;
/// What `@wronglen` promises beyond what it sends.
const PROMISED_TOO_MUCH: usize = 100;
/// Waited after raw bytes, so that they are read before the connection closes.
const RAW_LINGER: Duration = Duration::from_millis(50);

/// One request on its way to an answer.
pub(crate) struct Call {
    pub(crate) voice: &'static dyn Voice,
    pub(crate) stamp: Stamp,
    pub(crate) pace: Pace,
    pub(crate) version: Version,
    pub(crate) authority: String,
}

impl Call {
    pub(crate) async fn answer(
        mut self,
        outcome: Outcome,
        socket: &TcpStream,
        track: Track,
    ) -> Reply {
        let ask = match outcome {
            Outcome::Chat(ask) => ask,
            Outcome::Models(list) => return self.json(200, list, track),
            Outcome::Socket { .. } => return Err(Severed),
            Outcome::Http(status, word) => return plain(status, "text/plain", word, track),
            Outcome::Refused(trouble) => {
                let status = self.voice.status_on_wire(&trouble);
                let body = self.voice.error_body(&trouble, self.stamp.serial);
                let mut reply = self.json(status, body, track)?;
                self.error_headers(&trouble, &mut reply);
                return Ok(reply);
            }
        };
        self.stamp.model.clone_from(&ask.model);
        let faults = &ask.faults;
        if let Some(wait) = faults.slow_head {
            tokio::time::sleep(wait).await;
        }
        if faults.hang {
            std::future::pending::<()>().await;
        }
        if faults.reset || faults.cl_te || faults.endless_headers {
            return self.raw(&ask, socket, track).await;
        }
        if faults.redirect {
            let mut reply = plain(307, "text/plain", "moved\n", track)?;
            put(
                &mut reply,
                "location",
                &format!("http://{}/__sim/trap", self.authority),
            );
            return Ok(reply);
        }
        if faults.html {
            let page = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>\n";
            return plain(faults.status.unwrap_or(502), "text/html", page, track);
        }
        if faults.refuses() {
            return self.refuse(faults, track);
        }
        if ask.stream && !faults.json_stream {
            return Ok(self.stream(&ask, track));
        }
        if let Some(wait) = faults.slow_first {
            tokio::time::sleep(wait).await;
        }
        self.whole(&ask, track)
    }

    /// The trouble that `@code`, `@status`, `@retryafter` or `@errorin200` name.
    fn trouble(&self, faults: &Faults) -> (u16, Trouble) {
        let voice = self.voice;
        let trouble = match (&faults.code, faults.status, &faults.retry_after) {
            (Some(code), _, _) => voice.trouble(code),
            (_, Some(status), _) if status >= 400 => voice.trouble_of_status(status),
            (_, _, Some(_)) => voice.trouble_of_status(429),
            _ => voice.trouble(voice.usual().broken),
        };
        let by_name = faults.code.is_some() || faults.retry_after.is_none();
        let status = match faults.status {
            _ if faults.error_in_200 => 200,
            Some(status) => status,
            None if by_name => voice.status_on_wire(&trouble),
            None => 429,
        };
        (status, trouble)
    }

    fn refuse(&self, faults: &Faults, track: Track) -> Reply {
        let (status, trouble) = self.trouble(faults);
        let mut body = self.voice.error_body(&trouble, self.stamp.serial);
        if faults.ascii {
            body = json::ascii(&body);
        }
        let mut reply = self.json(status, body, track)?;
        self.error_headers(&trouble, &mut reply);
        if let Some(wait) = &faults.retry_after {
            put(&mut reply, "retry-after", wait);
        }
        Ok(reply)
    }

    fn json(&self, status: u16, body: String, track: Track) -> Reply {
        let mut reply = plain(status, "application/json", body, track)?;
        self.own_headers(&mut reply);
        Ok(reply)
    }

    fn error_headers(&self, trouble: &Trouble, reply: &mut Response<Script>) {
        for (name, value) in self.voice.error_headers(trouble) {
            put(reply, name, &value);
        }
    }

    fn own_headers(&self, reply: &mut Response<Script>) {
        put(reply, "x-simulated-vendor", self.voice.name());
        for (name, value) in self.voice.headers(self.stamp.serial) {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                reply.headers_mut().insert(name, value);
            }
        }
    }

    fn plan(&self, ask: &Ask) -> Plan {
        Plan::make(self.voice.label(), ask, self.stamp.serial)
    }

    fn stream_steps(&self, ask: &Ask) -> Vec<Step> {
        let frames = match &ask.ready {
            Some(Ready::Events(frames)) => frames.clone(),
            _ => self.voice.frames(ask, &self.plan(ask), &self.stamp),
        };
        let (_, trouble) = self.trouble(&ask.faults);
        let error = self.voice.error_frames(&trouble, &self.stamp);
        let frames = script::reshape(frames, &ask.faults, error);
        let wire = |text: &str| self.voice.wire(text);
        script::stream_steps(&frames, &ask.faults, self.pace, self.stamp.serial, wire)
    }

    fn stream(&self, ask: &Ask, mut track: Track) -> Response<Script> {
        let status = ask.faults.status.unwrap_or(200);
        track.status(status);
        track.streams();
        let steps = self.stream_steps(ask);
        let promised = data_len(&steps) + PROMISED_TOO_MUCH;
        let mut reply = Response::new(Script::steps(steps, track));
        *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        put(&mut reply, "content-type", self.voice.event_stream_type());
        put(&mut reply, "cache-control", "no-cache");
        self.own_headers(&mut reply);
        if ask.faults.wrong_len {
            put(&mut reply, "content-length", &promised.to_string());
        }
        reply
    }

    fn whole(&self, ask: &Ask, track: Track) -> Reply {
        let body = self.whole_body(ask);
        let (opening, kind) = match &ask.ready {
            Some(Ready::Whole(kind, _)) => ("", *kind),
            _ => (self.voice.whole_opening(), "application/json"),
        };
        let Some(steps) = script::whole_steps(opening, &body, &ask.faults) else {
            let mut reply = plain(200, kind, body, track)?;
            self.own_headers(&mut reply);
            return Ok(reply);
        };
        track.status(200);
        let mut reply = Response::new(Script::steps(steps, track));
        put(&mut reply, "content-type", kind);
        self.own_headers(&mut reply);
        let length = opening.len() + body.len();
        if ask.faults.wrong_len {
            put(
                &mut reply,
                "content-length",
                &(length + PROMISED_TOO_MUCH).to_string(),
            );
        } else if opening.is_empty() {
            put(&mut reply, "content-length", &length.to_string());
        }
        Ok(reply)
    }

    fn whole_body(&self, ask: &Ask) -> Vec<u8> {
        if let Some(Ready::Whole(_, body)) = &ask.ready {
            let mut body = body.clone();
            if ask.faults.bad_json.is_some() {
                body.truncate(body.len() / 2);
            }
            return body;
        }
        let mut body = self.voice.whole(ask, &self.plan(ask), &self.stamp);
        if ask.faults.ascii {
            body = json::ascii(&body);
        }
        if ask.faults.bad_json.is_some() {
            body.truncate(body.floor_char_boundary(body.len() / 2));
        }
        body.into_bytes()
    }

    /// Faults that no HTTP library would send. On HTTP/2 all of them become a reset of the stream.
    async fn raw(&self, ask: &Ask, socket: &TcpStream, track: Track) -> Reply {
        track.cut();
        if self.version == Version::HTTP_2 {
            return Err(Severed);
        }
        if ask.faults.reset {
            // Closing with a zero linger is what sends RST instead of FIN.
            let _ = socket.set_zero_linger();
            return Err(Severed);
        }
        let sent = if ask.faults.endless_headers {
            endless_headers(socket).await
        } else {
            self.both_lengths(ask, socket).await
        };
        if sent.is_ok() {
            tokio::time::sleep(RAW_LINGER).await;
        }
        Err(Severed)
    }

    /// A reply with both `content-length` and `transfer-encoding`: two readers of it see two different bodies.
    async fn both_lengths(&self, ask: &Ask, socket: &TcpStream) -> std::io::Result<()> {
        let (kind, body) = if ask.stream {
            let mut body = Vec::new();
            for step in self.stream_steps(ask) {
                if let Step::Data(data) = step {
                    body.extend_from_slice(&data);
                }
            }
            (self.voice.event_stream_type(), body)
        } else {
            ("application/json", self.whole_body(ask))
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-simulated-vendor: {}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            self.voice.name(),
            body.len()
        );
        write_raw(socket, head.as_bytes()).await?;
        write_raw(socket, &body).await?;
        write_raw(socket, b"\r\n0\r\n\r\n").await
    }
}

fn data_len(steps: &[Step]) -> usize {
    let len = |step: &Step| match step {
        Step::Data(data) => data.len(),
        _ => 0,
    };
    steps.iter().map(len).sum()
}

async fn endless_headers(socket: &TcpStream) -> std::io::Result<()> {
    write_raw(socket, b"HTTP/1.1 200 OK\r\n").await?;
    let line = format!("x-filler: {}\r\n", "a".repeat(500));
    for _ in 0..ENDLESS_HEADERS_MAX / line.len() {
        write_raw(socket, line.as_bytes()).await?;
    }
    Ok(())
}
