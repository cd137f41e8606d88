//! The lists of models that vendors and runtimes give of themselves.
//!
//! Reads OpenAI's form (`data[].id`), which Anthropic's and most runtimes' contain, and Ollama's (`models[].name`). Knows no
//! socket. Invariant: at most [`MODELS_MAX`] names are read, and none that a config could not hold.

use wire::json::Value;

/// Most models of one list.
pub const MODELS_MAX: usize = 1000;
/// Longest name, in bytes; as a config allows.
const NAME_BYTES_MAX: usize = 256;

/// What a list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names, sorted, each once.
    pub names: Vec<String>,
    /// Entries without a usable name, and those beyond the most.
    pub left_out: usize,
}

/// Reads a list; `None` if it is none.
#[must_use]
pub fn read(root: Value<'_>) -> Option<Listing> {
    let rows = ["data", "models"].iter().find_map(|name| root.get(name))?;
    // An object or a text where the list should be is no list; an empty list is one.
    if rows.raw().first() != Some(&b'[') {
        return None;
    }
    let mut listing = Listing::default();
    for row in rows.elements() {
        let name = ["id", "name", "model"]
            .iter()
            .find_map(|field| row.get(field)?.as_str());
        match name.filter(|name| is_name(name)) {
            Some(name) if listing.names.len() < MODELS_MAX => listing.names.push(name.into_owned()),
            _ => listing.left_out += 1,
        }
    }
    listing.names.sort_unstable();
    listing.names.dedup();
    Some(listing)
}

/// Whether a config could name a model so.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{self, Limits};

    fn listing(text: &str) -> Option<Listing> {
        let tape = json::scan(text.as_bytes(), &Limits::default()).unwrap();
        read(Value::root(&tape, text.as_bytes()).unwrap())
    }

    #[test]
    fn lists_are_read() {
        for (text, want) in [
            (
                r#"{"object":"list","data":[{"id":"b"},{"id":"Qwen/a:1"},{"id":"b"}]}"#,
                Some((vec!["Qwen/a:1", "b"], 0)),
            ),
            (
                r#"{"models":[{"name":"llama3:8b","model":"llama3:8b"}]}"#,
                Some((vec!["llama3:8b"], 0)),
            ),
            (r#"{"data":[]}"#, Some((vec![], 0))),
            (
                r#"{"data":[{"id":"a b"},{"id":7},{},{"id":"模型"},"x"]}"#,
                Some((vec![], 5)),
            ),
            (r#"{"data":{"id":"a"}}"#, None),
            (r#"{"error":"x"}"#, None),
            (r#"["a"]"#, None),
        ] {
            let want = want.map(|(names, left_out)| Listing {
                names: names.into_iter().map(str::to_owned).collect(),
                left_out,
            });
            assert_eq!(listing(text), want, "{text}");
        }
        let long: Vec<String> = (0..MODELS_MAX + 3)
            .map(|n| format!(r#"{{"id":"m{n}"}}"#))
            .collect();
        let found = listing(&format!(r#"{{"data":[{}]}}"#, long.join(","))).unwrap();
        assert_eq!((found.names.len(), found.left_out), (MODELS_MAX, 3));
    }
}
