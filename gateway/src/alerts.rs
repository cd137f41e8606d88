//! Warnings to the outside: a budget has crossed its soft threshold.
//!
//! Requests hand over what they noticed and go on; one task posts it, signed, and tries again when the receiver fails.
//! Gateways that share a store of limits agree there on who posts. Messages are as Standard Webhooks describes.
//!
//! Never in a request's path. Invariants: [`WAITING_MAX`] messages wait at most, and one that is dropped for want of room is
//! counted; one message has one id over all its attempts; no message holds a key, a secret or a text of a client's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Uri};
use policies::limit::level::{Standing, Window};
use policies::limit::meter::{Meter, Unit};
use tokio::sync::mpsc;

use crate::audit::http::{Caller, Tls};
use crate::config::schema::Webhook;
use crate::config::snapshot::ClientTls;
use crate::worker::Shared;

/// Most messages that wait.
const WAITING_MAX: usize = 1024;
/// Pauses between attempts: a receiver that is redeployed is back within a minute.
const PAUSES_S: [u64; 6] = [1, 2, 5, 10, 20, 40];
/// Begins a secret that is base64.
const SECRET_PREFIX: &str = "whsec_";

/// A budget that has crossed its soft threshold.
#[derive(Debug)]
pub struct Crossed {
    /// Which.
    pub meter: Arc<Meter>,
    /// Where it stands.
    pub standing: Standing,
    /// Unix ms.
    pub now_ms: i64,
}

/// Where requests hand over what they noticed.
#[derive(Debug)]
pub struct Alerts {
    to: mpsc::Sender<Crossed>,
    from: Mutex<Option<mpsc::Receiver<Crossed>>>,
}

impl Default for Alerts {
    fn default() -> Self {
        let (to, from) = mpsc::channel(WAITING_MAX);
        Self {
            to,
            from: Mutex::new(Some(from)),
        }
    }
}

impl Alerts {
    fn receiver(&self) -> Option<mpsc::Receiver<Crossed>> {
        let mut from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        from.take()
    }

    /// Hands over; false if there is no room.
    pub fn tell(&self, crossed: Crossed) -> bool {
        self.to.try_send(crossed).is_ok()
    }
}

/// Posts what comes, for as long as it is polled.
pub async fn run(shared: Arc<Shared>) {
    let Some(mut from) = shared.alerts.receiver() else {
        return;
    };
    let Ok(tls) = crate::server::tls::client(&ClientTls::default(), false) else {
        return;
    };
    let caller = Caller::new(Tls {
        client: tls,
        server_name: None,
    });
    while let Some(crossed) = from.recv().await {
        let snapshot = shared.store.load();
        let Some(webhook) = &snapshot.webhook else {
            continue;
        };
        if shared.is_told(&crossed).await {
            continue;
        }
        let posted = post(&shared, &caller, webhook, &crossed).await;
        shared.metrics.alert(posted);
        let name = crossed.meter.name();
        if posted {
            tracing::debug!(name, "alert posted");
        } else {
            tracing::warn!(name, "alert not delivered");
        }
    }
}

/// Posts until the receiver takes it, or attempts are over.
async fn post(shared: &Shared, caller: &Caller, webhook: &Webhook, crossed: &Crossed) -> bool {
    let body = Bytes::from(body(crossed));
    let mut token = [0; 12];
    if aws_lc_rs::rand::fill(&mut token).is_err() {
        return false;
    }
    let id = format!("msg_{}", BASE64.encode(token).replace(['+', '/'], "x"));
    let mut pauses = PAUSES_S.into_iter();
    loop {
        // Of this attempt: receivers refuse what is old, as a replay.
        let stamp = shared.clock.wall_ms() / 1000;
        let request = request(webhook, (&id, stamp), &body);
        let Some(request) = request else { return false };
        let taken = caller.call(request).await;
        if taken.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        let Some(pause) = pauses.next() else {
            return false;
        };
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

fn request(webhook: &Webhook, (id, stamp): (&str, i64), body: &Bytes) -> Option<Request<Bytes>> {
    let uri: Uri = webhook.url.parse().ok()?;
    let mut request = Request::new(body.clone());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", HeaderValue::from_str(id).ok()?);
    headers.insert("webhook-timestamp", stamp.into());
    if let Some(secret) = &webhook.secret {
        let key = key(secret.expose());
        let signed = [format!("{id}.{stamp}.").as_bytes(), body].concat();
        let tag = hmac::sign(&key, &signed);
        let signature = format!("v1,{}", BASE64.encode(tag.as_ref()));
        headers.insert("webhook-signature", HeaderValue::from_str(&signature).ok()?);
    }
    Some(request)
}

fn key(secret: &str) -> hmac::Key {
    let decoded = secret
        .strip_prefix(SECRET_PREFIX)
        .and_then(|coded| BASE64.decode(coded).ok());
    let bytes = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

/// The message. Money is in units of the currency, as the config has it.
fn body(crossed: &Crossed) -> String {
    let Crossed {
        meter,
        standing,
        now_ms,
    } = crossed;
    let limit = &meter.limit;
    let used = standing.limit.saturating_sub(standing.remaining);
    let shown = |amount: u64| -> serde_json::Value {
        if limit.unit == Unit::Cost {
            (amount as f64 / 1e9).into()
        } else {
            amount.into()
        }
    };
    let period = match limit.window {
        Window::Calendar(period) => Some((period, period.around(*now_ms, limit.zone_s))),
        Window::Rolling(_) | Window::Held => None,
    };
    let data = serde_json::json!({
        "level": meter.owner.level(),
        "name": meter.owner.name(),
        "unit": limit.unit.as_str(),
        "limit": shown(standing.limit),
        "soft": limit.soft.map(shown),
        "used": shown(used),
        "period": period.map(|(period, _)| period.as_str()),
        "period_begin": period.map(|(_, (begin_ms, _))| journal::utc::rfc3339(begin_ms)),
        "period_end": period.map(|(_, (_, end_ms))| journal::utc::rfc3339(end_ms)),
    });
    serde_json::json!({
        "type": "budget.soft_limit",
        "timestamp": journal::utc::rfc3339(*now_ms),
        "data": data,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standard_says() {
        // The example of Standard Webhooks' specification.
        let webhook = Webhook {
            url: "https://example.com/hook".into(),
            secret: Some(crate::secret::Secret::new(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            )),
        };
        let body = Bytes::from_static(br#"{"test": 2432232314}"#);
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let request = request(&webhook, (id, 1_614_265_330), &body).unwrap();
        assert_eq!(
            request.headers()["webhook-signature"],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(request.headers()["webhook-timestamp"], "1614265330");
    }
}
