//! Where clients ask: path and headers → dialect, and what is asked for.
//!
//! The table is what the dialects say of themselves ([`ClientDialect::endpoints`], [`ClientDialect::listings`]): a new one
//! brings its paths along. Knows no model and no key. A path that several dialects share belongs to the one whose clients
//! can be told by their headers ([`ClientDialect::claims`]), else to the first of [`CLIENT_DIALECTS`].

use http::{HeaderName, HeaderValue};
use wire::short::same;
use wire::{Fault, Headers};

use crate::CLIENT_DIALECTS;
use crate::dialect::ClientDialect;

/// The mark in a path that stands for a model's name.
const MODEL: &str = "{model}";

/// A path that clients of a dialect `POST` to.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The path as metrics, records and docs name it. `{model}` in it stands for a model's name, percent-encoded or not.
    pub path: &'static str,
    /// What is asked for there.
    pub asks: Asks,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A model's reply, whole or streamed.
    Reply,
    /// How many tokens a prompt has.
    Count,
    /// Vectors of texts.
    Embed,
    /// The order of documents by a query.
    Rerank,
    /// Images by a description.
    Image,
    /// Speech of a text.
    Speak,
    /// The text of a sound.
    Transcribe,
    /// The text of a sound, in English.
    Translate,
}

impl Asks {
    /// Whether it is work that is no chat: [`wire::operation`].
    #[must_use]
    pub const fn is_work(self) -> bool {
        matches!(self, Self::Embed | Self::Rerank)
    }

    /// Whether it is about images or sound: a body that goes on with a few edits, or not at all.
    #[must_use]
    pub const fn is_media(self) -> bool {
        matches!(self, Self::Image | Self::Speak) || self.is_form()
    }

    /// Whether it is asked with a form.
    #[must_use]
    pub const fn is_form(self) -> bool {
        matches!(self, Self::Transcribe | Self::Translate)
    }
}

/// What a dialect reads of a request beside its body.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where it was asked.
    pub endpoint: &'static Endpoint,
    /// The model's name in the path, decoded; empty where the path has none.
    pub model: Box<str>,
    /// The head asks for a stream, in dialects that say so there.
    pub stream: bool,
    /// The stream is to be one JSON array that comes in pieces, not events.
    pub array: bool,
    /// Headers that an upstream of the same dialect gets as they came.
    pub carried: Vec<(HeaderName, HeaderValue)>,
}

impl Asked {
    /// A request of which all is in the body.
    #[must_use]
    pub fn at(endpoint: &'static Endpoint) -> Self {
        Self {
            endpoint,
            model: Box::default(),
            stream: false,
            array: false,
            carried: Vec::new(),
        }
    }
}

/// The part of a request's head that a dialect may read.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// Headers.
    pub headers: &'a Headers,
    /// The query without `?`, as it came.
    pub query: &'a str,
}

/// What a path and headers ask for.
pub struct Place {
    /// The dialect that is spoken there, errors included.
    pub dialect: &'static dyn ClientDialect,
    /// What is there.
    pub at: At,
}

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum At {
    /// An endpoint, with the model's name of its path.
    Call(&'static Endpoint, Box<str>),
    /// `GET`: the list of models, by the path of the dialect's listing.
    Models(&'static str),
    /// `GET`: one model, by its decoded name.
    Model(String),
    /// No dialect has such a path.
    Nothing,
}

/// The place of a path; headers tell whose client it is where several dialects share it.
#[must_use]
pub fn find(path: &str, headers: &Headers) -> Place {
    for dialect in CLIENT_DIALECTS.iter().copied() {
        for endpoint in dialect.endpoints() {
            if let Some(model) = fits(endpoint.path, path) {
                let at = At::Call(endpoint, decoded(model).into());
                return Place { dialect, at };
            }
        }
    }
    let mut found: Option<Place> = None;
    for dialect in CLIENT_DIALECTS.iter().copied() {
        let claims = dialect.claims(headers);
        if found.is_some() && !claims {
            continue;
        }
        let listings = dialect.listings().iter();
        let at = listings
            .map(|listing| listed(listing, path))
            .find(|at| *at != At::Nothing)
            .unwrap_or(At::Nothing);
        // A client that can be told by its headers is answered in its dialect, even that there is nothing here.
        if at != At::Nothing || (claims && found.is_none()) {
            found = Some(Place { dialect, at });
            if claims {
                break;
            }
        }
    }
    found.unwrap_or_else(|| Place {
        dialect: first(),
        at: At::Nothing,
    })
}

/// The dialect of clients of which nothing is known: [`CLIENT_DIALECTS`]' first.
#[must_use]
pub fn first() -> &'static dyn ClientDialect {
    &crate::dialects::openai_chat::OpenAiChat
}

fn listed(listing: &'static str, path: &str) -> At {
    match path.strip_prefix(listing) {
        Some("") => At::Models(listing),
        Some(rest) => match rest.strip_prefix('/').filter(|id| !id.is_empty()) {
            Some(id) => At::Model(decoded(id)),
            None => At::Nothing,
        },
        None => At::Nothing,
    }
}

/// What stands at the mark, if the path is of that pattern; empty for a pattern without one.
fn fits<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    // Every request asks this of several patterns, of which nearly all have no mark.
    let mark = pattern.bytes().position(|byte| byte == b'{');
    let Some((before, mark)) = mark.and_then(|at| pattern.split_at_checked(at)) else {
        return same(pattern.as_bytes(), path.as_bytes()).then_some("");
    };
    let after = mark.strip_prefix(MODEL)?;
    let model = path.strip_prefix(before)?.strip_suffix(after)?;
    (!model.is_empty()).then_some(model)
}

/// Percent-decoded. Names may hold `/` and arrive encoded or not. A broken escape stands for itself; a name that is no
/// UTF-8 is nobody's.
pub(crate) fn decoded(raw: &str) -> String {
    if !raw.contains('%') {
        return raw.to_owned();
    }
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        match digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Every path of the table, for metrics and docs: path, method.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLIENT_DIALECTS.iter().flat_map(|dialect| {
        let calls = dialect.endpoints().iter().map(|one| (one.path, "POST"));
        calls.chain(dialect.listings().iter().map(|path| (*path, "GET")))
    })
}

/// Reads the head of a request that asks at an endpoint.
///
/// # Errors
/// `BadRequest` for headers that the dialect does not allow.
pub fn asked(
    dialect: &dyn ClientDialect,
    endpoint: &'static Endpoint,
    model: Box<str>,
    head: RequestHead<'_>,
) -> Result<Asked, Fault> {
    let mut asked = Asked {
        model,
        ..Asked::at(endpoint)
    };
    dialect.read_head(head, &mut asked)?;
    Ok(asked)
}

/// One model in a listing.
#[derive(Clone, Debug)]
pub struct Listed<'a> {
    /// The name that clients ask for.
    pub id: &'a str,
    /// Unix seconds: when the config was loaded.
    pub created: i64,
    /// The numbers under which the model's targets are filed with the authority.
    pub filing: &'a [&'a str],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let none = Headers::new();
        let chat = find("/v1/chat/completions", &none);
        assert!(
            matches!(chat.at, At::Call(endpoint, ref model) if endpoint.path == "/v1/chat/completions" && model.is_empty())
        );
        assert_eq!(chat.dialect.name(), "openai-chat");
        assert_eq!(find("/v1/models", &none).at, At::Models("/v1/models"));
        assert_eq!(
            find("/v1/models/a%2Fb/c%zz%+1", &none).at,
            At::Model("a/b/c%zz%+1".to_owned())
        );
        for path in ["/", "/v1/models/", "/v1/modelsx", "/v1/chat/completions/"] {
            assert_eq!(find(path, &none).at, At::Nothing, "{path}");
        }
    }

    #[test]
    fn patterns_hold_a_model() {
        assert_eq!(fits("/a/{model}:go", "/a/m%2F1:go"), Some("m%2F1"));
        assert_eq!(fits("/a/{model}:go", "/a/:go"), None);
        assert_eq!(fits("/a/{model}:go", "/a/m:stop"), None);
        assert_eq!(fits("/a", "/a"), Some(""));
    }

    #[test]
    fn no_path_is_there_twice() {
        let mut paths: Vec<_> = all().filter(|(_, method)| *method == "POST").collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count);
    }
}
