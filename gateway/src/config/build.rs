//! From a checked config to a snapshot: names become `Arc`s, files become keys and certificates.
//!
//! Invariants: everything that can fail fails here, before the swap; what is not a file was judged by
//! [`check`](super::check) already, and a config it would refuse is refused here too, never half built. The only thing
//! outside that building touches is the registry of limits, which it may grow.

mod access;
mod discovered;
mod endpoint;
mod gates;
mod identity;
mod limits;
mod models;
mod pem;
mod policies;
mod providers;
mod shipping;
mod unruled;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ::policies::access::keys::{KeySpec, KeyTable};
use ::policies::limit::Books;
use arc_swap::ArcSwap;
use wire::Grade;

pub use shipping::exposed;

use self::pem::Files;
use super::address::Listen;
use super::check::{check, has_errors};
use super::load::Loaded;
use super::problem::{Problem, Severity};
use super::schema::{self, Config};
use super::snapshot::{Admin, Grades, Money, Snapshot, State};
use super::vendors::VendorBook;
use crate::identity::Rights;
use crate::secret::Secret;

/// How long an answer of the shared store may take that no request waits for.
const SHELF_TIMEOUT: Duration = Duration::from_secs(2);

/// What a snapshot is built with.
pub struct Ground<'a> {
    /// Vendors.
    pub book: &'a dyn VendorBook,
    /// What the process remembers of limits.
    pub books: &'a Books,
    /// The snapshot before this one.
    pub before: Option<&'a Snapshot>,
    /// The time.
    pub now: SystemTime,
    /// Models that providers were found to have; `None`: nobody looked.
    pub found: Option<&'a Found>,
}

/// Models that providers were found to have, by the provider's name.
pub type Found = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

static NOTHING_FOUND: Found = Found::new();

/// A snapshot, and what was noticed on the way.
#[derive(Debug)]
pub struct Built {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Warnings.
    pub warnings: Vec<Problem>,
    /// Certificates, keys and secrets that were read: a change of theirs is a change of the config.
    pub files: Vec<PathBuf>,
    /// SHA-256 of the config's text.
    pub digest: ::policies::access::token::Digest,
}

/// Milliseconds since 1970.
#[must_use]
pub fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// Checks and builds.
///
/// # Errors
/// Everything wrong, errors before warnings.
pub fn build(loaded: &Loaded, ground: &Ground<'_>) -> Result<Built, Vec<Problem>> {
    let warnings = check(loaded, ground.book, unix_ms(ground.now));
    if has_errors(&warnings) {
        return Err(warnings);
    }
    let mut files = Files {
        doc: &loaded.doc,
        dir: &loaded.dir,
        read: loaded.files.clone(),
        problems: Vec::new(),
        now_ms: unix_ms(ground.now),
    };
    let snapshot = assemble(loaded, ground, &mut files);
    let Files {
        read, mut problems, ..
    } = files;
    match snapshot {
        Some(snapshot) if !has_errors(&problems) => {
            let mut warnings = warnings;
            warnings.extend(problems);
            if let Some(policy) = &snapshot.policy {
                let section = &loaded.config.policies;
                warnings.extend(unruled::unruled(section, policy, &loaded.doc));
            }
            Ok(Built {
                snapshot,
                warnings,
                files: read,
                digest: loaded.digest,
            })
        }
        _ => {
            if !has_errors(&problems) {
                let message =
                    "the check let through what cannot be built; please report this".into();
                problems.push(loaded.doc.problem(Severity::Error, &[], message));
            }
            problems.extend(warnings);
            problems.sort_by_key(|problem| problem.severity == Severity::Warning);
            Err(problems)
        }
    }
}

/// `None` means that a problem was recorded, or that `check` and this function disagree.
fn assemble(loaded: &Loaded, ground: &Ground<'_>, files: &mut Files<'_>) -> Option<Snapshot> {
    let config = &loaded.config;
    let grades = Grades::new(&config.grades);
    let tls = config.tls.as_ref().map(|tls| files.server_tls(tls));
    let providers = providers::all(config, &grades, ground.book, files)?;
    let models = models::all(config, &providers, ground.books)?;
    let found = ground.found.unwrap_or(&NOTHING_FOUND);
    let models = discovered::join(config, found, &providers, models, ground.books)?;
    let keeps = config.audit.fingerprint
        || config.audit.payload != schema::Payload::None
        || models
            .values()
            .any(|model| model.payload != schema::Payload::None);
    let keys = keys(config, &grades, ground)?;
    let before = ground.before;
    let policy = policies::build(config, &grades, files)?.map(Arc::new);
    let gates = gates::build(config, &grades, files)?;
    shipping::stores(config, files)?;
    let siem_tls = shipping::siem(config, files)?;
    let identity = identity::build(config, &grades, ground, files)?;
    let basis = super::dynamic::basis(config);
    Some(Snapshot {
        version: before.map_or(1, |before| before.version + 1),
        loaded_at: ground.now,
        fingerprint: loaded.fingerprint().into(),
        marks: super::changes::Marks::of(loaded, &basis),
        keys,
        certificates: access::certificates(config)?,
        basis,
        identity,
        trusted_proxies: access::networks(&config.trusted_proxies)?,
        grades,
        providers,
        models,
        listen: Listen::parse(&config.listen).ok()?,
        tls_ends_ms: tls
            .iter()
            .flatten()
            .find_map(|tls| pem::first_end_ms(&tls.identity.certs)),
        // Absent and unreadable must not be mixed up: TLS asked for is TLS given.
        tls: match tls {
            Some(tls) => Some(files.usable(&["tls".into()], crate::server::tls::server(&tls?))?),
            None => None,
        },
        admin: admin(config)?,
        audit: config.audit.clone(),
        keeps,
        siem_tls,
        limits: config.limits.clone(),
        timeouts: config.timeouts.clone(),
        retries: config.upstream.retries,
        upstream_keepalive: config.upstream.keepalive.0,
        http2: config.http2.clone(),
        ping: Some(config.stream.ping.0).filter(|ping| !ping.is_zero()),
        hold: wire::hold::Caps {
            bytes: config.stream.hold_bytes.bytes(),
            nanos: u64::try_from(config.stream.hold_time.0.as_nanos()).unwrap_or(u64::MAX),
        },
        policy,
        policy_meters: OnceLock::new(),
        gates,
        drain: config.drain.clone(),
        overload: config.overload.clone(),
        runtime: config.runtime.clone(),
        state: state(config)?,
        money: money(config)?,
        made: ArcSwap::default(),
        discover: discovering(config),
        webhook: config.alerts.webhook.clone(),
        log: config.log.clone(),
    })
}

/// The table of keys; `None` if one of them cannot be built.
fn keys(config: &Config, grades: &Grades, ground: &Ground<'_>) -> Option<KeyTable> {
    let mut is_whole = true;
    let specs = access::keys(config, grades, ground.books)?;
    let specs = specs.map_while(|spec| {
        is_whole &= spec.is_some();
        spec
    });
    let before = ground.before.map(|before| &before.keys);
    let keys = KeyTable::build(specs, before, unix_ms(ground.now));
    is_whole.then_some(keys)
}

fn admin(config: &Config) -> Option<Admin> {
    let hosts = config.admin.hosts.iter();
    Some(Admin {
        listen: Listen::parse(&config.admin.listen).ok()?,
        token: config.admin.token.clone(),
        tokens: access::tokens(&config.admin.tokens)?,
        separate_duties: config.separate_duties,
        hosts: hosts.map(|host| host.to_ascii_lowercase()).collect(),
    })
}

/// Providers whose lists of models are asked for, and how often.
fn discovering(config: &Config) -> Vec<(Box<str>, std::time::Duration)> {
    let providers = config.providers.iter();
    providers
        .filter(|(_, provider)| provider.discover)
        .map(|(name, provider)| (name.as_str().into(), provider.discover_every.0))
        .collect()
}

/// The grade called `name`, or the lowest if there is no name; `None` for a name that is no grade.
fn resolve(grades: &Grades, name: Option<&str>) -> Option<Grade> {
    match name {
        None => Some(Grade::LOWEST),
        Some(name) => grades.find(name),
    }
}

/// How money is counted.
fn money(config: &Config) -> Option<Money> {
    let above = config.teams.iter().filter_map(|(name, team)| {
        let parent = team.parent.as_deref()?;
        Some((name.as_str().into(), parent.into()))
    });
    Some(Money {
        currency: config.currency().into(),
        zone_s: super::zone::offset_seconds(&config.state.timezone)?,
        above: above.collect(),
    })
}

/// What the table of keys is built from; `None` if the check would refuse the config.
pub(super) fn key_specs(config: &Config, grades: &Grades, books: &Books) -> Option<Vec<KeySpec>> {
    access::keys(config, grades, books)?.collect()
}

/// What persons may do; `None` if the check would refuse the config, or it knows no persons.
pub(super) fn rights(config: &Config, grades: &Grades, books: &Books) -> Option<Rights> {
    // Whoever puts them in place of others says which they are.
    identity::rights(config, grades, books, (0, 0))?
}

/// Where limits are counted.
fn state(config: &Config) -> Option<State> {
    let from = &config.state;
    let address = from.store.expose();
    let reach = |timeout| ledger::Store::parse(address, &from.prefix, timeout).ok();
    let (store, shelf) = match address {
        "memory" => (None, None),
        _ => (Some(reach(from.timeout.0)?), Some(reach(SHELF_TIMEOUT)?)),
    };
    let pepper = from.pepper.as_ref().map_or("", Secret::expose);
    let all = format!(
        "{address}\0{}\0{:?}\0{}\0{pepper}",
        from.prefix, from.timeout, from.dir
    );
    let digest = ::policies::access::token::digest(all.as_bytes());
    Some(State {
        store,
        shelf,
        dir: from.dir.as_str().into(),
        pepper: from.pepper.clone(),
        mark: ::policies::access::token::show_digest(&digest).into(),
    })
}

#[cfg(test)]
mod tests;
