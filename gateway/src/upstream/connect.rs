//! Opens connections to providers: names, sockets, TLS.
//!
//! Knows no request. Invariant: nothing here takes longer than the clock of connecting.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use wire::{Fault, Kind};

use super::client::{Bounds, Endpoint};
use crate::io::Io;

/// While names cannot be looked up, the last good answer holds for so long (threat model, section 10).
const ANSWER_HOLDS: Duration = Duration::from_secs(300);
/// A look-up that takes longer has failed, where there is an answer to fall back on.
const LOOKUP: Duration = Duration::from_secs(2);

/// Where a host was found last, and when.
#[derive(Debug, Default)]
pub struct Found(Mutex<Option<(Instant, Arc<[SocketAddr]>)>>);

impl Found {
    /// The addresses of a host.
    async fn of(&self, host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        let known = self.lock().clone();
        let known = known.filter(|(at, _)| at.elapsed() < ANSWER_HOLDS);
        let Some((_, known)) = known else {
            return Ok(self.keep(lookup_host((host, port)).await?));
        };
        match tokio::time::timeout(LOOKUP, lookup_host((host, port))).await {
            Ok(Ok(found)) => Ok(self.keep(found)),
            _ => Ok(known),
        }
    }

    fn keep(&self, found: impl Iterator<Item = SocketAddr>) -> Arc<[SocketAddr]> {
        let found: Arc<[SocketAddr]> = found.collect();
        *self.lock() = Some((Instant::now(), Arc::clone(&found)));
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<[SocketAddr]>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a connection.
pub(super) async fn connect(endpoint: &Endpoint, bounds: &Bounds) -> Result<Io, Fault> {
    match tokio::time::timeout(bounds.connect, open(endpoint)).await {
        Ok(opened) => opened,
        Err(_) => Err(Fault::new(Kind::ConnectFailed).reason("connect_timeout")),
    }
}

async fn open(endpoint: &Endpoint) -> Result<Io, Fault> {
    let refused = |error: io::Error| {
        Fault::new(Kind::ConnectFailed)
            .reason("unreachable")
            .detail(error.kind().to_string())
    };
    let found = endpoint.found.of(&endpoint.host, endpoint.port);
    let found = found.await.map_err(refused)?;
    let socket = TcpStream::connect(&*found).await.map_err(refused)?;
    // Without it, Nagle and delayed acknowledgement stall a small write for 40 ms.
    socket.set_nodelay(true).map_err(refused)?;
    let Some(config) = &endpoint.tls else {
        return Ok(Io::Plain(socket));
    };
    let name = endpoint.server_name.as_deref().unwrap_or(&endpoint.host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Fault::new(Kind::TlsFailed).detail("server name"))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let stream = connector
        .connect(name, socket)
        .await
        .map_err(|error| Fault::new(Kind::TlsFailed).detail(error.to_string()))?;
    Ok(Io::Tls(Box::new(stream.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_not_found_any_more_is_where_it_was() {
        let found = Found::default();
        // By RFC 6761 never found.
        let host = "provider.invalid";
        assert!(found.of(host, 1).await.is_err());
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        found.keep([address].into_iter());
        assert_eq!(*found.of(host, 1).await.unwrap(), [address]);
        let long_ago = Instant::now().checked_sub(ANSWER_HOLDS).unwrap();
        found.lock().as_mut().unwrap().0 = long_ago;
        assert!(found.of(host, 1).await.is_err());
    }
}
