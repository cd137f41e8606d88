//! What a config has to know of vendors, asked for by name.
//!
//! Names no vendor: whoever has the registry implements [`VendorBook`].

use std::borrow::Cow;

/// What a provider of this vendor needs and may say.
#[derive(Clone, Copy, Debug)]
pub struct VendorInfo {
    /// Its name in the config.
    pub name: &'static str,
    /// Where its API is, unless the provider says otherwise. `None`: the provider must say.
    pub default_base_url: Option<&'static str>,
    /// Whether a provider must have an `api_key`.
    pub needs_api_key: bool,
    /// Whether a provider must have a `secret_key`.
    pub needs_secret_key: bool,
    /// Whether a provider must have a `region`, which may stand as `{region}` in `default_base_url`.
    pub needs_region: bool,
    /// Whether a provider must have an `app_id`.
    pub needs_app_id: bool,
    /// Where its tokens are fetched, if not at the API itself; `{region}` may stand in it.
    pub token_url: Option<&'static str>,
    /// Whether it is a runtime of one's own rather than a service.
    pub self_hosted: bool,
    /// What `auth` may say; empty if there is one way only.
    pub auth_modes: &'static [&'static str],
    /// Whether it is spoken with over a WebSocket: its addresses may begin with `wss://`, and HTTP/2 has no place there.
    pub websocket: bool,
    /// Whether it has a list of models that can be asked for.
    pub lists_models: bool,
}

impl VendorInfo {
    /// Where a provider's API is: as it says, or where its vendor's is in its region.
    #[must_use]
    pub fn base_url<'a>(&self, own: Option<&'a str>, region: Option<&str>) -> Option<Cow<'a, str>> {
        let default = || {
            let url = self.default_base_url?;
            Some(url.replace("{region}", region.unwrap_or_default()).into())
        };
        let url = own.map(Cow::Borrowed).or_else(default)?;
        let begins = |scheme: &str| {
            let begin = url.get(..scheme.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        };
        // A WebSocket begins as HTTP at the same place (RFC 6455, section 3).
        Some(match url.get(2..) {
            Some(rest) if self.websocket && (begins("ws://") || begins("wss://")) => {
                ["http", rest].concat().into()
            }
            _ => url,
        })
    }

    /// Where a provider's tokens are fetched; `None`: where its API is.
    #[must_use]
    pub fn token_url<'a>(
        &self,
        own: Option<&'a str>,
        region: Option<&str>,
    ) -> Option<Cow<'a, str>> {
        let default = || {
            let url = self.token_url?;
            Some(url.replace("{region}", region.unwrap_or_default()).into())
        };
        own.map(Cow::Borrowed).or_else(default)
    }
}

/// All vendors.
pub trait VendorBook: Send + Sync {
    /// The vendor called `name`.
    fn info(&self, name: &str) -> Option<VendorInfo>;
    /// Whether a provider of the vendor `name` whose `auth` is this (empty: it says none) has tokens fetched.
    fn fetches_tokens(&self, name: &str, auth: &str) -> bool;
    /// Why the vendor `name` cannot use this credential, whatever is asked for; holds nothing of it.
    fn unusable(&self, name: &str, credential: &adapters::Credential<'_>) -> Option<String>;
    /// The names of all, for suggestions.
    fn names(&self) -> Vec<&'static str>;
}
