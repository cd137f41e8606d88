//! The admin listener: few connections, short answers, a runtime of its own, so that it answers while workers are busy.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;

use super::guard::Guard;
use super::place::{ADMIN, Place};
use crate::admin::{self, AdminState};
use crate::tasks;

/// Connections at once, and of them from one address: whoever takes all that he gets must not keep out who asks whether we
/// live.
const CONNECTIONS_MAX: (usize, usize) = (256, 64);
/// How long a client may not read.
const STALL: Duration = Duration::from_secs(10);
/// Time for a head, and idle time between requests.
const HEAD: Duration = Duration::from_secs(10);
/// Pause after `accept` failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the process ends.
pub async fn serve(state: Arc<AdminState>, listener: TcpListener) {
    let uncounted = Gauge::default();
    loop {
        let Ok((socket, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = Place::take(&ADMIN, peer.ip(), CONNECTIONS_MAX, &uncounted) else {
            // Closing at once is all that is owed to connections over the limit.
            continue;
        };
        let state = Arc::clone(&state);
        tasks::detach(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(admin::answer(request, peer.ip(), state).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(Guard::new(socket, STALL)), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}
