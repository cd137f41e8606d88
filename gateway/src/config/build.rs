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
mod policies;
mod shipping;
mod unruled;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ::policies::access::keys::{KeySpec, KeyTable};
use ::policies::limit::Books;
use ::policies::limit::meter::Owner;
use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use wire::Grade;

pub use shipping::exposed;

use super::address::{Listen, parse_base_url};
use super::check::{check, has_errors};
use super::load::{Doc, Loaded, SECRET_BYTES_MAX, read_bounded, said};
use super::problem::{Problem, Severity, Step};
use super::schema::{self, Config, Location};
use super::snapshot::{
    Adapter, Admin, ClientTls, Clocks, Credential, Grades, Identity, Model, Money, Named, Provider,
    ServerTls, Snapshot, State, Target,
};
use super::vendors::VendorBook;
use crate::identity::Rights;
use crate::secret::Secret;

/// The five clocks' defaults (threat model, section 3; a gap within content is bounded like the first).
const CLOCKS: Clocks = Clocks {
    connect: Duration::from_secs(5),
    first_content: Duration::from_secs(300),
    content_gap: Duration::from_secs(300),
    idle: Duration::from_secs(300),
    total: Duration::from_secs(3600),
};

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
    };
    let snapshot = assemble(loaded, ground, &mut files);
    let Files {
        read, mut problems, ..
    } = files;
    match snapshot {
        Some(snapshot) if problems.is_empty() => {
            let mut warnings = warnings;
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
            if problems.is_empty() {
                let message =
                    "the check let through what cannot be built; please report this".into();
                problems.push(loaded.doc.problem(Severity::Error, &[], message));
            }
            problems.extend(warnings);
            Err(problems)
        }
    }
}

/// `None` means that a problem was recorded, or that `check` and this function disagree.
fn assemble(loaded: &Loaded, ground: &Ground<'_>, files: &mut Files<'_>) -> Option<Snapshot> {
    let config = &loaded.config;
    let grades = Grades::new(&config.grades);
    let tls = config.tls.as_ref().map(|tls| files.server_tls(tls));
    let providers = providers(config, &grades, ground.book, files)?;
    let models = build_models(config, &providers, ground.books)?;
    let found = ground.found.unwrap_or(&NOTHING_FOUND);
    let models = discovered::join(config, found, &providers, models, ground.books)?;
    let keeps = config.audit.fingerprint
        || config.audit.payload != schema::Payload::None
        || models
            .values()
            .any(|model| model.payload != schema::Payload::None);
    let mut is_whole = true;
    let specs = access::keys(config, &grades, ground.books)?;
    let specs = specs.map_while(|spec| {
        is_whole &= spec.is_some();
        spec
    });
    let keys = KeyTable::build(specs, ground.before.map(|b| &b.keys), unix_ms(ground.now));
    if !is_whole {
        return None;
    }
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

fn providers(
    config: &Config,
    grades: &Grades,
    book: &dyn VendorBook,
    files: &mut Files<'_>,
) -> Option<Vec<Arc<Provider>>> {
    let mut providers = Vec::with_capacity(config.providers.len());
    for (name, provider) in &config.providers {
        let built = build_provider(name, provider, grades, book, files)?;
        providers.push(Arc::new(built));
    }
    Some(providers)
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

fn build_provider(
    name: &str,
    from: &schema::Provider,
    grades: &Grades,
    book: &dyn VendorBook,
    files: &mut Files<'_>,
) -> Option<Provider> {
    let info = book.info(&from.vendor)?;
    let url = info.base_url(from.base_url.as_deref(), from.region.as_deref())?;
    let (origin, base_path) = parse_base_url(&url).ok()?;
    let (tls, server_name) = match origin.scheme {
        super::address::Scheme::Http => (None, None),
        super::address::Scheme::Https => {
            let tls = files.client_tls(name, &from.tls)?;
            let at = ["providers".into(), Step::from(name), "tls".into()];
            let config = files.usable(&at, crate::server::tls::client(&tls, from.http2))?;
            (Some(config), tls.server_name.map(String::from))
        }
    };
    let endpoint = Arc::new(endpoint::api(name, from, &origin, (tls, server_name)));
    let token_endpoint = match info.token_url(from.token_url.as_deref(), from.region.as_deref()) {
        None => Arc::clone(&endpoint),
        Some(url) => endpoint::tokens(name, from, &url, files)?,
    };
    let mut headers = Vec::with_capacity(from.headers.len());
    for (header, value) in &from.headers {
        let header = http::HeaderName::try_from(header.as_str()).ok()?;
        let mut value = http::HeaderValue::from_str(value.expose()).ok()?;
        // Keeps it out of Debug, and out of HTTP/2's compression table.
        value.set_sensitive(true);
        headers.push((header, value));
    }
    let mode = |auth: &str| info.auth_modes.iter().copied().find(|mode| *mode == auth);
    let location = match (from.location, info.self_hosted) {
        (Some(location), _) => location,
        (None, true) => Location::SelfHosted,
        (None, false) => Location::Domestic,
    };
    Some(Provider {
        name: name.into(),
        vendor: info.name,
        adapter: adapters::vendor(info.name).map(Adapter),
        host: origin.authority(),
        origin,
        base_path,
        token_key: Arc::clone(&endpoint.key),
        token_endpoint,
        endpoint,
        credential: Credential {
            api_key: from.api_key.clone(),
            secret_key: from.secret_key.clone(),
            session_token: from.session_token.clone(),
            app_id: from.app_id.as_deref().map(Into::into),
            region: from.region.as_deref().map(Into::into),
            auth: from.auth.as_deref().and_then(mode),
        },
        location,
        clearance: resolve(grades, from.clearance.as_deref())?,
        http2: from.http2,
        headers,
        max_connections: from.max_connections,
    })
}

/// Tells a changed credential or TLS setting from an unchanged one without showing it.
fn fingerprint(from: &schema::Provider) -> String {
    let secret = |secret: &Option<crate::secret::Secret>| {
        secret
            .as_ref()
            .map_or_else(String::new, |secret| secret.expose().to_owned())
    };
    let all = format!(
        "{}\0{}\0{}\0{:?}\0{:?}\0{}\0{:?}\0{:?}",
        secret(&from.api_key),
        secret(&from.secret_key),
        secret(&from.session_token),
        from.auth,
        from.tls,
        from.http2,
        from.region,
        from.token_url
    );
    let digest = ::policies::access::token::digest(all.as_bytes());
    ::policies::access::token::show_digest(&digest)
        .chars()
        .skip(7)
        .take(16)
        .collect()
}

/// The grade called `name`, or the lowest if there is no name; `None` for a name that is no grade.
fn resolve(grades: &Grades, name: Option<&str>) -> Option<Grade> {
    match name {
        None => Some(Grade::LOWEST),
        Some(name) => grades.find(name),
    }
}

fn build_models(
    config: &Config,
    providers: &[Arc<Provider>],
    books: &Books,
) -> Option<HashMap<Box<str>, Arc<Model>>> {
    let maker = limits::Maker::new(config, books)?;
    let base = with(CLOCKS, config.upstream.timeouts);
    let mut models = HashMap::with_capacity(config.models.len());
    for (name, from) in &config.models {
        let mut targets = Vec::with_capacity(from.targets.len());
        for target in &from.targets {
            let provider = providers.iter().find(|p| *p.name == *target.provider)?;
            targets.push(Target {
                provider: Arc::clone(provider),
                model: target.model.as_str().into(),
                weight: target.weight,
                priority: target.priority,
                price: config
                    .price(from, target)
                    .map(|list| config.built_price(list)),
                filing: target.filing.as_deref().map(Into::into),
                shown: [Named::new(&provider.name), Named::new(&target.model)],
                meters: OnceLock::new(),
                room: limits::room(&maker, config, target)?,
            });
        }
        // Stable: within a priority the file's order stays.
        targets.sort_by_key(|target| target.priority);
        let model = Model {
            name: name.as_str().into(),
            targets,
            lossy: match from.lossy {
                None => adapters::Lossy::Hints,
                Some(schema::Lossy::Refuse) => adapters::Lossy::Refuse,
                Some(schema::Lossy::Drop) => adapters::Lossy::Drop,
            },
            clocks: with(base, from.timeouts),
            meters: maker
                .meters(&Owner::Model(name.as_str().into()), &from.limits, None)?
                .into(),
            learnt: books.lessons.of(name),
            payload: from.payload.unwrap_or(config.audit.payload),
        };
        models.insert(name.as_str().into(), Arc::new(model));
    }
    Some(models)
}

fn with(base: Clocks, over: schema::CallTimeouts) -> Clocks {
    let pick = |over: Option<super::units::Span>, base| over.map_or(base, |span| span.0);
    Clocks {
        connect: pick(over.connect, base.connect),
        first_content: pick(over.first_content, base.first_content),
        content_gap: pick(over.content_gap, base.content_gap),
        idle: pick(over.idle, base.idle),
        total: pick(over.total, base.total),
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

/// Reads the PEM files a config names, and remembers which.
struct Files<'a> {
    doc: &'a Doc,
    dir: &'a Path,
    read: Vec<PathBuf>,
    problems: Vec<Problem>,
}

impl Files<'_> {
    fn fail<T>(&mut self, steps: &[Step], message: String) -> Option<T> {
        let problem = self.doc.problem(Severity::Error, steps, message);
        self.problems.push(problem);
        None
    }

    fn bytes(&mut self, steps: &[Step], path: &str) -> Option<Vec<u8>> {
        let path = self.dir.join(path);
        let bytes = read_bounded(&path, SECRET_BYTES_MAX);
        self.read.push(path);
        match bytes {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let message = format!(
                    "`{}` cannot be read: {}",
                    self.doc.shown(steps),
                    said(&error)
                );
                self.fail(steps, message)
            }
        }
    }

    fn certs(&mut self, steps: &[Step], path: &str) -> Option<Vec<CertificateDer<'static>>> {
        let bytes = self.bytes(steps, path)?;
        let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certs {
            Ok(certs) if !certs.is_empty() => Some(certs),
            _ => self.fail(
                steps,
                format!("`{}` holds no PEM certificate", self.doc.shown(steps)),
            ),
        }
    }

    fn identity(&mut self, cert: (&[Step], &str), key: (&[Step], &str)) -> Option<Identity> {
        let certs = self.certs(cert.0, cert.1);
        let bytes = self.bytes(key.0, key.1)?;
        let Ok(parsed) = PrivateKeyDer::from_pem_slice(&bytes) else {
            let shown = self.doc.shown(key.0);
            return self.fail(key.0, format!("`{shown}` holds no PEM private key"));
        };
        let certs = certs?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match CertifiedKey::from_der(certs.clone(), parsed.clone_key(), &provider) {
            Ok(_) => Some(Identity { certs, key: parsed }),
            Err(_) => self.fail(key.0, "the private key does not fit the certificate".into()),
        }
    }

    fn usable<T>(
        &mut self,
        steps: &[Step],
        made: Result<T, crate::server::tls::Unusable>,
    ) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err(error) => self.fail(steps, error.to_string()),
        }
    }

    fn server_tls(&mut self, from: &schema::ServerTls) -> Option<ServerTls> {
        let at = |field: &str| ["tls".into(), Step::from(field)];
        let client_ca = match &from.client_ca {
            Some(path) => Some(self.certs(&at("client_ca"), path)?),
            None => None,
        };
        let identity = self.identity((&at("cert"), &from.cert), (&at("key"), &from.key))?;
        Some(ServerTls {
            identity,
            client_ca,
            client_cert: from.client_cert,
        })
    }

    fn client_tls(&mut self, name: &str, from: &schema::ClientTls) -> Option<ClientTls> {
        let at = |field: &str| {
            [
                "providers".into(),
                Step::from(name),
                "tls".into(),
                field.into(),
            ]
        };
        let ca = match &from.ca {
            Some(path) => Some(self.certs(&at("ca"), path)?),
            None => None,
        };
        let identity = match (&from.client_cert, &from.client_key) {
            (Some(cert), Some(key)) => {
                Some(self.identity((&at("client_cert"), cert), (&at("client_key"), key))?)
            }
            _ => None,
        };
        Some(ClientTls {
            ca,
            identity,
            server_name: from.server_name.as_deref().map(Into::into),
            insecure_skip_verify: from.insecure_skip_verify_dangerous,
        })
    }
}

#[cfg(test)]
mod tests;
