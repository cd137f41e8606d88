//! The handshake of a WebSocket: who is refused, which faults come before it is open, and how it is answered.
//!
//! It must never know a vendor's fields: those are behind [`Voice`].

use crate::body::Script;
use crate::faults;
use crate::plan::Ask;
use crate::record::Track;
use crate::serve::{Outcome, Reply, put};
use crate::socket;
use crate::surfaces::{Arrived, Voice};
use http::{Method, Response, StatusCode};

/// What becomes of a request for a WebSocket; which faults there are stands in its path.
pub(crate) fn handshake(voice: &dyn Voice, arrived: &Arrived<'_>, model: &str) -> Outcome {
    let accept = (*arrived.method == Method::GET).then(|| socket::accept(arrived.headers));
    let Some(accept) = accept.flatten() else {
        return Outcome::Http(426, "a WebSocket only\n");
    };
    if let Err(trouble) = voice.admit(arrived) {
        return Outcome::Refused(trouble);
    }
    let Ok((base, faults)) = faults::read(model) else {
        return Outcome::Http(400, "a fault that there is not\n");
    };
    let early = faults.hang
        || faults.reset
        || faults.cl_te
        || faults.endless_headers
        || faults.redirect
        || faults.html;
    let by_status = faults.status.is_some_and(|status| status >= 400);
    let refused = by_status || faults.retry_after.is_some();
    if early || (refused && faults.error_event.is_none()) {
        return Outcome::Chat(Box::new(Ask {
            base,
            faults,
            ..Ask::default()
        }));
    }
    let wait = faults.slow_head.unwrap_or_default();
    let accept = match faults.frame.as_deref() {
        Some("accept") => "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(),
        _ => accept,
    };
    Outcome::Socket { accept, wait }
}

/// The answer behind which a connection is a WebSocket.
pub(crate) fn switch(voice: &dyn Voice, accept: &str, unused: Track) -> Reply {
    let mut reply = Response::new(Script::steps(Vec::new(), unused));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    put(&mut reply, "connection", "Upgrade");
    put(&mut reply, "upgrade", "websocket");
    put(&mut reply, "sec-websocket-accept", accept);
    put(&mut reply, "x-simulated-vendor", voice.name());
    Ok(reply)
}
