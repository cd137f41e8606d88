//! Who asks: credential → principal, whether it may ask here, from there and now, and a place among the requests in flight.
//!
//! Runs before a body is read or scanned. Unknown, revoked and expired keys are told the same.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use policies::access::keys::{Principal, UNREAD};
use policies::access::scope::Beyond;
use policies::limit::level::Now;
use wire::{Fault, Kind};

use super::arrive::Arrived;
use super::head::Head;
use super::settle::Exchange;
use crate::identity::{self, Miss, Waiting};

/// Nobody said who they are: that guesses at nothing.
const NO_KEY: &str = "no_key";

/// Whether a request is let in.
pub(super) enum Admission<'a> {
    /// It is.
    In(Arrived<'a>),
    /// Not before this wait is over, and then it is tried once more.
    After(Arrived<'a>, Waiting),
}

/// Lets a request in, or not. Wrong credentials are told that they are wrong only so often from one address (T-43); good
/// ones are never held up by others' failures, and one that could not be judged is not a wrong one.
pub(super) fn admit<'a>(
    exchange: &mut Exchange,
    arrived: Arrived<'a>,
) -> Result<Admission<'a>, Fault> {
    let admission = judged(exchange, arrived);
    match admission {
        Err(fault) if fault.kind() == Kind::Unauthenticated && is_judgement(fault.why()) => {
            Err(failed(exchange, fault))
        }
        admission => admission,
    }
}

fn is_judgement(why: &str) -> bool {
    why != NO_KEY && identity::is_judgement(why)
}

/// One more wrong credential.
fn failed(exchange: &Exchange, fault: Fault) -> Fault {
    let failures = &exchange.worker.shared.failures;
    match failures.count(exchange.client_address(), now(exchange)) {
        Ok(()) => fault,
        Err(wait) => Fault::new(Kind::RateLimited)
            .reason("too_many_failures")
            .message("Too many requests from this address had no valid API key.")
            .retry_after(wait),
    }
}

fn now(exchange: &Exchange) -> Now {
    Now {
        mono_ns: exchange.worker.now_ns(),
        wall_ms: exchange.now_ms,
    }
}

fn judged<'a>(exchange: &mut Exchange, arrived: Arrived<'a>) -> Result<Admission<'a>, Fault> {
    let token = credential(arrived.head)?;
    let shown = match certified(exchange) {
        // Whoever says who they are need not wait for what a certificate would add.
        Err(fault) if fault.why() == UNREAD && token.is_some() => None,
        shown => shown?,
    };
    let principal = match (token, shown) {
        (None, None) => return Err(denied(NO_KEY)),
        (None, Some(shown)) => shown,
        (Some(token), shown) => {
            let principal = match named(exchange, token)? {
                Named::As(principal) => principal,
                Named::After(waiting) => return Ok(Admission::After(arrived, waiting)),
            };
            if shown.is_some_and(|shown| !is_same(&shown, &principal)) {
                return Err(denied("two_credentials"));
            }
            principal
        }
    };
    exchange.grade = principal.grade;
    exchange.principal = Some(principal);
    if arrived.is_call() {
        exchange.is_work();
    }
    within_scope(exchange)?;
    if arrived.is_call() {
        exchange.enter()?;
    }
    Ok(Admission::In(arrived))
}

/// Whether two credentials are of one key: it may have several secrets for a while. Persons have no id.
fn is_same(a: &Arc<Principal>, b: &Arc<Principal>) -> bool {
    Arc::ptr_eq(a, b) || !a.id.is_empty() && a.id == b.id
}

fn denied(reason: &'static str) -> Fault {
    Fault::new(Kind::Unauthenticated).reason(reason)
}

/// Whom the client's certificate names, if a key says that it does.
fn certified(exchange: &Exchange) -> Result<Option<Arc<Principal>>, Fault> {
    let snapshot = &exchange.snapshot;
    let names = exchange.certificate();
    let now_ms = u64::try_from(exchange.now_ms).unwrap_or(0);
    let mut of_config = names
        .iter()
        .filter_map(|name| snapshot.certificates.get(name));
    let found = match of_config.next() {
        Some(key) => snapshot.keys.find_digest(key, now_ms),
        None => snapshot.keys.find_certificate(names, now_ms),
    };
    found
        .transpose()
        .map_err(|denial| not_found(denial.reason()))
}

fn not_found(reason: &'static str) -> Fault {
    match reason {
        // It may well be somebody's: nobody is told that it is nobody's before the store was read.
        UNREAD => Fault::new(Kind::LedgerDown).reason(UNREAD),
        reason => denied(reason),
    }
}

/// Whom a token names.
enum Named {
    As(Arc<Principal>),
    After(Waiting),
}

fn named(exchange: &Exchange, token: &[u8]) -> Result<Named, Fault> {
    let snapshot = &exchange.snapshot;
    let Some(directory) = snapshot
        .identity
        .as_ref()
        .filter(|_| identity::has_form(token))
    else {
        let now_ms = u64::try_from(exchange.now_ms).unwrap_or(0);
        let found = snapshot.keys.find(token, now_ms);
        return found
            .map(Named::As)
            .map_err(|denial| not_found(denial.reason()));
    };
    match directory.session(token, now(exchange)) {
        Ok(session) => session.principal.clone().map(Named::As).ok_or_else(|| {
            if session.unread {
                return Fault::new(Kind::LedgerDown).reason(UNREAD);
            }
            Fault::new(Kind::Forbidden)
                .reason("no_team")
                .message("The token names no group that is a team here.")
        }),
        Err(Miss::Denied(why)) => Err(denied(why)),
        Err(Miss::Unknown(waiting)) => Ok(Named::After(waiting)),
    }
}

/// The same, after a wait for keys that were not known, and by the config that there is by then. What that took away
/// is taken from who comes now: their session was not there to be ended.
pub(super) async fn again<'a>(
    exchange: &mut Exchange,
    arrived: Arrived<'a>,
    waiting: Waiting,
) -> Result<Arrived<'a>, Fault> {
    let mut next = (arrived, waiting);
    // A fetch that was under way may have begun before the key was published: then another one is waited for.
    for _ in 0..2 {
        let (arrived, waiting) = next;
        waiting.over().await;
        exchange.snapshot = exchange.worker.shared.store.load();
        next = match admit(exchange, arrived)? {
            Admission::In(arrived) => return Ok(arrived),
            Admission::After(arrived, waiting) => (arrived, waiting),
        };
    }
    Err(denied(identity::UNFETCHED_KEY))
}

/// Holds the request against the scope of its principal. What was refused counts as a request.
fn within_scope(exchange: &Exchange) -> Result<(), Fault> {
    let Some(principal) = &exchange.principal else {
        return Ok(());
    };
    // The page of one model is part of the list.
    let endpoint = exchange.endpoint;
    let endpoint = endpoint.strip_suffix("/{id}").unwrap_or(endpoint);
    let now_s = exchange.now_ms.div_euclid(1000);
    let allowed = principal
        .scope
        .allow(endpoint, exchange.client_address(), now_s);
    let Err(beyond) = allowed else { return Ok(()) };
    let (reason, message) = match beyond {
        Beyond::Endpoint => (
            "endpoint_not_allowed",
            format!("This key may not ask at {endpoint}."),
        ),
        Beyond::Network => (
            "network_not_allowed",
            "This key may not be used from this network.".to_owned(),
        ),
        Beyond::Hours => (
            "hours_not_allowed",
            "This key may not be used at this time.".to_owned(),
        ),
    };
    Err(Fault::new(Kind::Forbidden).reason(reason).message(message))
}

/// The one credential of a request.
///
/// # Errors
/// Two that differ are no credential.
fn credential(head: &Head) -> Result<Option<&[u8]>, Fault> {
    let header = |name: &str| {
        head.headers
            .get(name)
            .map(|value| value.as_bytes().trim_ascii())
    };
    let bearer = match head
        .headers
        .get(&AUTHORIZATION)
        .map(|value| value.as_bytes().trim_ascii())
    {
        None => None,
        Some(value) => match value.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"bearer ") => {
                value.get(7..).map(<[u8]>::trim_ascii)
            }
            _ => return Err(Fault::new(Kind::Unauthenticated).reason("scheme")),
        },
    };
    let pairs = head.uri.query().unwrap_or_default().split('&');
    let mut keys = pairs.filter_map(|pair| pair.strip_prefix("key="));
    let query = keys.next().map(str::as_bytes);
    if keys.next().is_some() {
        return Err(Fault::new(Kind::Unauthenticated).reason("two_credentials"));
    }
    let mut found = [bearer, header("x-api-key"), header("x-goog-api-key"), query]
        .into_iter()
        .flatten();
    let first = found.next();
    if found.any(|other| Some(other) != first) {
        return Err(Fault::new(Kind::Unauthenticated).reason("two_credentials"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], uri: &str, want: Result<Option<&str>, ()>) {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let head = Head::from(head);
        let got = credential(&head)
            .map(|found| found.map(|bytes| std::str::from_utf8(bytes).unwrap()))
            .map_err(|_| ());
        assert_eq!(got, want, "{headers:?} {uri}");
    }

    #[test]
    fn credentials() {
        check(&[("authorization", "Bearer ym-a")], "/", Ok(Some("ym-a")));
        check(&[("authorization", "bearer  ym-a ")], "/", Ok(Some("ym-a")));
        check(&[("authorization", "Basic eA==")], "/", Err(()));
        check(&[("x-api-key", "ym-a")], "/", Ok(Some("ym-a")));
        check(
            &[("x-goog-api-key", "ym-a")],
            "/?alt=sse&key=ym-a",
            Ok(Some("ym-a")),
        );
        check(
            &[("x-api-key", "ym-a"), ("authorization", "Bearer ym-b")],
            "/",
            Err(()),
        );
        check(&[], "/?key=ym-c", Ok(Some("ym-c")));
        check(&[], "/?monkey=1", Ok(None));
        // Which of two counts, servers disagree on.
        check(&[], "/?key=ym-c&key=ym-d", Err(()));
        check(&[], "/?key=ym-c&a=1&key=ym-c", Err(()));
    }
}
