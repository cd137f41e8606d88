//! Whether providers can be reached as the config says, how fast, and what is wrong if not: `yumen doctor`.
//!
//! Asks for a provider's list of models; where there is none, or a target is not on it, it asks the target for a few tokens. What
//! it sends is its own: never anything of a request. Must never show a credential, or what a vendor wrote.
//! Invariants: everything is bounded in time; providers are looked at all at once, the targets of one after another.

mod ask;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::net::{TcpStream, lookup_host};
use wire::{Fault, Grade, Kind};

use crate::config::snapshot::{Location, Provider, Snapshot};
use crate::discover::list;
use crate::tasks;
use crate::upstream::client::Client;

/// Longest wait for a name, and for a connection.
const STEP_TIME: Duration = Duration::from_secs(5);

/// What to look at, and how closely.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Names of providers; empty: all.
    pub only: Vec<String>,
    /// Ask every target for a reply, a stream and a call of a tool, which costs some tokens.
    pub ask: bool,
}

/// What came of one provider.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// Its name.
    pub provider: String,
    /// Its vendor.
    pub vendor: &'static str,
    /// Where it is reached: host and port.
    pub address: String,
    /// Whether everything holds.
    pub ok: bool,
    /// Until its name had an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_ms: Option<u64>,
    /// Until there was a connection, TLS not included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    /// Until its list of models had come, over a connection of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_ms: Option<u64>,
    /// Models on that list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<usize>,
    /// What is wrong with the provider as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Wrong>,
    /// Targets of the config, by what the provider calls them.
    pub targets: BTreeMap<String, Target>,
    /// What to look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What came of one target.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Target {
    /// Models of the config that it serves.
    pub serves: Vec<String>,
    /// Whether it is on the provider's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    /// Until a short reply was whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_ms: Option<u64>,
    /// Until a stream had ended well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_ms: Option<u64>,
    /// Whether it called a tool when it was offered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_tools: Option<bool>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Wrong>,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Wrong {
    /// `dns`, `connect`, `tls`, `credential`, `permission`, `quota`, `model`, `timeout`, `upstream` or `reply`.
    pub at: &'static str,
    /// A sentence.
    pub why: String,
}

/// Looks at the providers of a config.
pub async fn look(snapshot: &Snapshot, wish: &Wish, now_ms: i64) -> Vec<Seen> {
    let wanted = |provider: &&Arc<Provider>| {
        wish.only.is_empty() || wish.only.iter().any(|name| **name == *provider.name)
    };
    let mut looking: Vec<Pin<Box<dyn Future<Output = Seen> + Send>>> = Vec::new();
    for provider in snapshot.providers.iter().filter(wanted) {
        looking.push(Box::pin(look_at(provider, snapshot, wish, now_ms)));
    }
    let mut seen = Vec::new();
    while let Some(one) = tasks::next_of(&mut looking).await {
        seen.push(one);
    }
    seen.sort_by(|a, b| a.provider.cmp(&b.provider));
    seen
}

fn look_at(
    provider: &Arc<Provider>,
    snapshot: &Snapshot,
    wish: &Wish,
    now_ms: i64,
) -> impl Future<Output = Seen> + Send + 'static {
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    for (name, model) in &snapshot.models {
        let here = model
            .targets
            .iter()
            .filter(|t| t.provider.name == provider.name);
        for target in here {
            let serves = &mut targets.entry(target.model.to_string()).or_default().serves;
            serves.push(name.to_string());
        }
    }
    targets
        .values_mut()
        .for_each(|target| target.serves.sort_unstable());
    let seen = Seen {
        provider: provider.name.to_string(),
        vendor: provider.vendor,
        address: format!("{}:{}", provider.endpoint.host, provider.endpoint.port),
        targets,
        hints: hints(provider, snapshot),
        ..Seen::default()
    };
    let (provider, ask) = (Arc::clone(provider), wish.ask);
    async move {
        let mut seen = seen;
        match reach(&provider, &mut seen).await {
            Ok(()) => serve(&provider, &mut seen, ask, now_ms).await,
            Err(wrong) => seen.wrong = Some(wrong),
        }
        let targets = seen.targets.values();
        seen.ok = seen.wrong.is_none() && targets.clone().all(|target| target.wrong.is_none());
        if !seen.ok {
            let hint = provider.adapter.map_or("", |adapter| adapter.0.hint());
            seen.hints
                .extend((!hint.is_empty()).then(|| hint.to_owned()));
        }
        seen
    }
}

/// What of a provider's clearance is worth a second look.
fn hints(provider: &Provider, snapshot: &Snapshot) -> Vec<String> {
    let highest = snapshot.grades.highest();
    let name = snapshot.grades.name(provider.clearance);
    let own = provider.location == Location::SelfHosted;
    // The law compares grades; here it is only said where one stands at an end of the list.
    let mut hints = Vec::new();
    if own && provider.clearance == Grade::LOWEST && highest != Grade::LOWEST {
        hints.push(format!("clearance is `{name}`, the lowest: nothing more sensitive reaches this runtime of your own"));
    }
    if !own && provider.clearance == highest && highest != Grade::LOWEST {
        hints.push(format!(
            "clearance is `{name}`, the highest: what is most sensitive may leave the company"
        ));
    }
    hints
}

/// Finds and connects it, by itself, to know how long each takes.
async fn reach(provider: &Provider, seen: &mut Seen) -> Result<(), Wrong> {
    let endpoint = &provider.endpoint;
    let begun = Instant::now();
    let found =
        tokio::time::timeout(STEP_TIME, lookup_host((&*endpoint.host, endpoint.port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) => Vec::new(),
        Err(_) => return Err(wrong("dns", "no name server answers in time")),
    };
    if addresses.is_empty() {
        let why = format!("`{}` has no address", endpoint.host);
        return Err(wrong("dns", &why));
    }
    seen.dns_ms = Some(millis(begun));
    let begun = Instant::now();
    match tokio::time::timeout(STEP_TIME, TcpStream::connect(&*addresses)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            let why = format!("{}: {}", seen.address, error.kind());
            return Err(wrong("connect", &why));
        }
        Err(_) => {
            let why = format!("{}: no answer in time", seen.address);
            return Err(wrong("connect", &why));
        }
    }
    seen.connect_ms = Some(millis(begun));
    Ok(())
}

/// Asks for its list, then its targets where that does not say enough.
async fn serve(provider: &Arc<Provider>, seen: &mut Seen, ask: bool, now_ms: i64) {
    let client: Arc<Client> = Arc::default();
    let begun = Instant::now();
    let listing = match list::fetch(&client, provider, now_ms).await {
        Ok(listing) => {
            seen.list_ms = Some(millis(begun));
            seen.models = Some(listing.names.len() + listing.left_out);
            Some(listing.names)
        }
        // A vendor without a list is asked otherwise.
        Err(fault) if matches!(fault.why(), "no_listing" | "not_permitted") => None,
        Err(fault) => {
            let mut wrong = told(&fault);
            // A connection was made just now: what is missing is TLS.
            if wrong.at == "connect" && provider.endpoint.tls.is_some() {
                wrong.at = "tls";
            }
            seen.wrong = Some(wrong);
            return;
        }
    };
    if listing.is_none() && seen.targets.is_empty() {
        let why = "it has no list of models, and no model of the config has a target here: nothing can be asked";
        seen.hints.push(why.to_owned());
    }
    let asker = ask::Asker {
        client: &client,
        provider,
        now_ms,
    };
    for (name, target) in &mut seen.targets {
        target.listed = listing
            .as_ref()
            .map(|names| names.iter().any(|listed| listed == name));
        if target.listed == Some(true) && !ask {
            continue;
        }
        let begun = Instant::now();
        match asker.reply(name).await {
            Ok(()) => target.reply_ms = Some(millis(begun)),
            Err(fault) => {
                let wrong = told(&fault);
                // What is no target's own fault need not be found out for each.
                if matches!(wrong.at, "credential" | "tls" | "connect") {
                    seen.wrong = Some(wrong);
                    return;
                }
                target.wrong = Some(wrong);
                continue;
            }
        }
        if !ask {
            continue;
        }
        let begun = Instant::now();
        match asker.stream(name).await {
            Ok(at_once) => {
                target.stream_ms = Some(millis(begun));
                if at_once {
                    let why = "came all at once, after a wait: what stands before the model may hold streams back (buffering of a proxy?)";
                    seen.hints.push(format!("the stream of `{name}` {why}"));
                }
            }
            Err(fault) => target.wrong = Some(told(&fault)),
        }
        target.calls_tools = asker.tool(name).await.ok();
    }
}

fn wrong(at: &'static str, why: &str) -> Wrong {
    Wrong {
        at,
        why: why.to_owned(),
    }
}

/// A fault in words. Holds no text of the vendor's: faults do not.
fn told(fault: &Fault) -> Wrong {
    let at = match (fault.kind(), fault.why()) {
        (Kind::ConnectFailed, _) => "connect",
        (Kind::TlsFailed, _) => "tls",
        (_, "auth_failed") => "credential",
        (_, "not_permitted") => "permission",
        (_, "clock_skew") => "clock",
        (_, "quota_exhausted") => "quota",
        (_, "no_such_model") => "model",
        (_, "list_timeout" | "provider_timeout" | "reply_timeout")
        | (Kind::FirstByteTimeout, _) => "timeout",
        (Kind::Malformed | Kind::CutShort, _) => "reply",
        _ => "upstream",
    };
    let detail = match fault.log_detail() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    Wrong {
        at,
        why: format!("{}{detail}", fault.sentence()),
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
