//! Checks of providers and models.
//!
//! Knows vendors only through the book.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Check, MODEL_NAME_BYTES_MAX, NAME_BYTES_MAX, TARGETS_MAX, at};
use crate::config::address::{Scheme, parse_base_url};
use crate::config::price::PriceList;
use crate::config::problem::{Step, suggest};
use crate::config::schema::{Model, Provider, Target};
use crate::config::units::Span;
use crate::config::vendors::VendorInfo;
use crate::secret::Secret;

/// Most of a weight or a priority: beyond it somebody meant something else.
const RANK_MAX: u32 = 1_000_000;

/// Shortest and longest time between two lists of models.
const DISCOVER_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));

/// Ways to authenticate in which `api_key` is the whole credential.
const WHOLE_KEYS: [&str; 2] = ["bearer", "app-code"];

/// Headers that belong to the protocol or to us; a config that set them would break framing or leak.
const OUR_HEADERS: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "proxy-connection",
];

impl Check<'_> {
    pub(super) fn providers(&mut self) {
        let config = self.config;
        if config.providers.is_empty() {
            self.warn(
                &at!["providers"],
                "there is no provider: nothing can be answered",
            );
        }
        for (name, provider) in &config.providers {
            let steps = at!["providers", name.as_str()];
            self.name(&steps, name, NAME_BYTES_MAX);
            self.provider(name, provider);
            let used = |model: &Model| model.targets.iter().any(|t| t.provider == *name);
            if !provider.discover && !config.models.values().any(used) {
                self.warn(&steps, "no model has a target at this provider");
            }
        }
    }

    fn provider(&mut self, name: &str, provider: &Provider) {
        let field = |field: &str| at!["providers", name, field];
        self.grade(&field("clearance"), provider.clearance.as_deref());
        if provider.max_connections == 0 {
            self.error(&field("max_connections"), "must be at least 1");
        }
        self.headers(name, provider);
        let info = self.book.info(&provider.vendor);
        match &info {
            Some(info) => {
                self.needs(name, provider, info);
                self.credential(name, provider, info);
            }
            None => {
                let known = self.book.names();
                let said = format!("; known: {}", known.join(", "));
                let dangling = suggest(&provider.vendor, known.iter().copied()).is_none();
                self.dangling(&field("vendor"), "vendor", &provider.vendor, known);
                if let (true, Some(problem)) = (dangling, self.problems.last_mut()) {
                    problem.message.push_str(&said);
                }
            }
        }
        self.token_url(name, provider, info.as_ref());
        if let Some(info) = &info {
            self.token_office(name, provider, info);
        }
        let (own, region) = (provider.base_url.as_deref(), provider.region.as_deref());
        let url = match &info {
            Some(info) => info.base_url(own, region),
            None => own.map(Into::into),
        };
        let Some(url) = url else { return };
        match parse_base_url(&url) {
            Err(why) => self.error(&field("base_url"), why),
            Ok((origin, _)) => {
                let plain = origin.scheme == Scheme::Http;
                if plain && !origin.host.is_private() {
                    self.warn(
                        &field("base_url"),
                        "plain http to a public host: prompts and the key travel unencrypted",
                    );
                }
                let tokens = provider.token_url.as_deref();
                let tokens = tokens.and_then(|url| parse_base_url(url).ok());
                let by_tls = tokens.is_some_and(|(at, _)| at.scheme == Scheme::Https);
                self.client_tls(name, provider, plain && !by_tls);
            }
        }
    }

    fn token_url(&mut self, name: &str, provider: &Provider, info: Option<&VendorInfo>) {
        let Some(url) = provider.token_url.as_deref() else {
            return;
        };
        let steps = at!["providers", name, "token_url"];
        if let Some(info) = info.filter(|info| info.token_url.is_none()) {
            let message = format!(
                "vendor `{}` fetches no tokens elsewhere: leave it out",
                info.name
            );
            self.error(&steps, message);
        } else if let (Some(info), Some(auth)) = (info, provider.auth.as_deref())
            && info.auth_modes.contains(&auth)
            && !self.book.fetches_tokens(info.name, auth)
        {
            let message = format!("with `auth: {auth}` no token is fetched: leave it out");
            self.error(&steps, message);
        }
        match parse_base_url(url) {
            Err(why) => self.error(&steps, why),
            Ok((_, path)) if !path.is_empty() => {
                self.error(&steps, "must end behind the host: the path is the vendor's");
            }
            Ok((origin, _)) => {
                if origin.scheme == Scheme::Http && !origin.host.is_private() {
                    self.warn(
                        &steps,
                        "plain http to a public host: the key travels unencrypted",
                    );
                }
            }
        }
    }

    /// A secret goes to the vendor's own office for tokens only where the API is the vendor's own too.
    fn token_office(&mut self, name: &str, provider: &Provider, info: &VendorInfo) {
        let auth = provider.auth.as_deref().unwrap_or_default();
        let region = provider.region.as_deref();
        let (Some(own), None) = (&provider.base_url, &provider.token_url) else {
            return;
        };
        let Some(office) = info.token_url(None, region) else {
            return;
        };
        let site = |url: &str| {
            let (origin, _) = parse_base_url(url).ok()?;
            let host = origin.host.to_string();
            let domain = host.rsplitn(3, '.').take(2).map(str::to_owned);
            Some(domain.collect::<Vec<_>>())
        };
        if self.book.fetches_tokens(info.name, auth) && site(own) != site(&office) {
            let message = format!(
                "the secret would go to `{office}` for a token, which is no part of this host: say `token_url`"
            );
            self.error(&at!["providers", name, "base_url"], message);
        }
    }

    fn needs(&mut self, name: &str, provider: &Provider, info: &VendorInfo) {
        let whole = at!["providers", name];
        if info.needs_api_key && provider.api_key.is_none() {
            self.error(&whole, format!("vendor `{}` needs an `api_key`", info.name));
        }
        let auth = provider.auth.as_deref();
        let halved = !auth.is_some_and(|auth| WHOLE_KEYS.contains(&auth));
        if info.needs_secret_key && halved && provider.secret_key.is_none() {
            self.error(
                &whole,
                format!("vendor `{}` needs a `secret_key`", info.name),
            );
        }
        let word = |region: &str| {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !region.is_empty() && region.bytes().all(fits)
        };
        match provider.region.as_deref() {
            None if info.needs_region => {
                self.error(&whole, format!("vendor `{}` needs a `region`", info.name));
            }
            Some(region) if !word(region) => {
                let steps = at!["providers", name, "region"];
                self.error(&steps, "a region is a word like `us-east-1`");
            }
            _ => {}
        }
        if info.needs_app_id && provider.app_id.is_none() {
            self.error(&whole, format!("vendor `{}` needs an `app_id`", info.name));
        }
        if info.default_base_url.is_none() && provider.base_url.is_none() {
            self.error(&whole, format!("vendor `{}` needs a `base_url`", info.name));
        }
        if info.websocket && provider.http2 {
            let message = format!("vendor `{}` is spoken with over HTTP/1.1", info.name);
            self.error(&at!["providers", name, "http2"], message);
        }
        if provider.discover && !info.lists_models {
            let message = format!("vendor `{}` has no list of models to discover", info.name);
            self.error(&at!["providers", name, "discover"], message);
        }
        let Span(every) = provider.discover_every;
        if every < DISCOVER_EVERY.0 || every > DISCOVER_EVERY.1 {
            self.error(
                &at!["providers", name, "discover_every"],
                "must be 1s to 1d",
            );
        }
        let Some(auth) = provider.auth.as_deref() else {
            return;
        };
        if info.auth_modes.contains(&auth) {
            return;
        }
        let steps = at!["providers", name, "auth"];
        if info.auth_modes.is_empty() {
            let message = format!(
                "vendor `{}` authenticates in one way only: leave it out",
                info.name
            );
            self.error(&steps, message);
        } else {
            let known = info.auth_modes.join(", ");
            let message = format!("vendor `{}` authenticates by one of: {known}", info.name);
            self.error(&steps, message);
        }
    }

    /// That the vendor can make a request of the credential.
    fn credential(&mut self, name: &str, provider: &Provider, info: &VendorInfo) {
        let credential = adapters::Credential {
            api_key: provider.api_key.as_ref().map_or("", Secret::expose),
            secret_key: provider.secret_key.as_ref().map_or("", Secret::expose),
            app_id: provider.app_id.as_deref().unwrap_or_default(),
            session_token: provider.session_token.as_ref().map_or("", Secret::expose),
            region: provider.region.as_deref().unwrap_or_default(),
            auth: provider.auth.as_deref().unwrap_or_default(),
        };
        if let Some(why) = self.book.unusable(info.name, &credential) {
            let message = format!("its credential cannot be used: {why}");
            self.error(&at!["providers", name], message);
        }
    }

    fn headers(&mut self, name: &str, provider: &Provider) {
        self.sent_headers(&at!["providers", name, "headers"], &provider.headers);
    }

    /// Headers that we are to send: their names and values, and that they are not the protocol's.
    pub(super) fn sent_headers(&mut self, steps: &[Step], headers: &BTreeMap<String, Secret>) {
        for (header, value) in headers {
            let mut steps = steps.to_vec();
            steps.push(header.as_str().into());
            match http::HeaderName::try_from(header.as_str()) {
                Err(_) => self.error(&steps, "not the name of a header"),
                Ok(parsed) if OUR_HEADERS.contains(&parsed.as_str()) => {
                    self.error(
                        &steps,
                        "this header belongs to the protocol and cannot be set",
                    );
                }
                Ok(_) => {}
            }
            if http::HeaderValue::from_str(value.expose()).is_err() {
                self.error(&steps, "not the value of a header");
            }
        }
    }

    fn client_tls(&mut self, name: &str, provider: &Provider, plain: bool) {
        let tls = &provider.tls;
        let steps = |field: &str| at!["providers", name, "tls", field];
        if tls.client_cert.is_some() != tls.client_key.is_some() {
            self.error(
                &at!["providers", name, "tls"],
                "`client_cert` and `client_key` go together",
            );
        }
        if tls.insecure_skip_verify_dangerous {
            self.warn(
                &steps("insecure_skip_verify_dangerous"),
                "any certificate is accepted: whoever is in between reads everything",
            );
        }
        if let Some(server_name) = &tls.server_name
            && rustls::pki_types::ServerName::try_from(server_name.as_str()).is_err()
        {
            self.error(&steps("server_name"), "not the name of a host");
        }
        let any = tls.ca.is_some()
            || tls.client_cert.is_some()
            || tls.server_name.is_some()
            || tls.insecure_skip_verify_dangerous;
        if plain && any {
            self.warn(
                &at!["providers", name, "tls"],
                "has no effect: the base_url is plain http",
            );
        }
    }

    /// Whether there may be models that the config does not name.
    pub(super) fn discovers(&self) -> bool {
        self.config
            .providers
            .values()
            .any(|provider| provider.discover)
    }

    pub(super) fn models(&mut self) {
        let config = self.config;
        if config.models.is_empty() && !self.discovers() {
            self.warn(
                &at!["models"],
                "there is no model: nothing can be asked for",
            );
        }
        for (name, model) in &config.models {
            let steps = at!["models", name.as_str()];
            let allowed = |b: u8| {
                b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'@' | b'-')
            };
            if !(1..=MODEL_NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
                self.error(
                    &steps,
                    "a model's name is 1 to 256 characters of A-Z a-z 0-9 . _ : / @ -",
                );
            }
            if !(1..=TARGETS_MAX).contains(&model.targets.len()) {
                let message = format!("a model has 1 to {TARGETS_MAX} targets");
                self.error(&at!["models", name.as_str(), "targets"], message);
            }
            for (index, target) in model.targets.iter().enumerate() {
                self.target(name, index, target);
                let same = |t: &Target| t.provider == target.provider && t.model == target.model;
                if model.targets.iter().take(index).any(same) {
                    let steps = at!["models", name.as_str(), "targets", index];
                    self.error(
                        &steps,
                        "the same model of the same provider is a target already",
                    );
                }
            }
            if let Some(price) = &model.price {
                self.price(&at!["models", name.as_str(), "price"], price);
            }
            self.clocks(&at!["models", name.as_str(), "timeouts"], &model.timeouts);
        }
    }

    fn price(&mut self, steps: &[Step], price: &PriceList) {
        for (field, message) in price.faults() {
            let mut steps = steps.to_vec();
            steps.push(field.into());
            self.error(&steps, message);
        }
    }

    fn target(&mut self, name: &str, index: usize, target: &Target) {
        let field = |field: &str| -> [Step; 5] { at!["models", name, "targets", index, field] };
        let providers = &self.config.providers;
        if !providers.contains_key(&target.provider) {
            let known = providers.keys().map(String::as_str);
            self.dangling(&field("provider"), "provider", &target.provider, known);
        }
        let bad = target.model.chars().any(char::is_control);
        if !(1..=MODEL_NAME_BYTES_MAX).contains(&target.model.len()) || bad {
            self.error(
                &field("model"),
                "the provider's name for it is 1 to 256 characters",
            );
        }
        if let Some(price) = &target.price {
            self.price(&field("price"), price);
        }
        for (what, value) in [("weight", target.weight), ("priority", target.priority)] {
            if !(1..=RANK_MAX).contains(&value) {
                self.error(&field(what), format!("must be 1 to {RANK_MAX}"));
            }
        }
    }
}
