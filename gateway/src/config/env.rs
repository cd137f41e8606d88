//! `${NAME}` and `${NAME:-default}` in the config's texts.
//!
//! Never reads the environment itself: a lookup is passed in. Works on one text after the file was parsed, so a value can
//! never change the file's structure. Invariant: an error names the variable, never a value (T-49).

use std::fmt;

/// Where values come from.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Most bytes that one text may expand to.
const EXPANDED_BYTES_MAX: usize = 1 << 20;

/// Why a text could not be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvError {
    /// The variable is not set and has no default.
    Unset(String),
    /// Not of the form `${NAME}` or `${NAME:-default}`.
    Form,
    /// The result is larger than [`EXPANDED_BYTES_MAX`].
    TooLong(String),
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(name) => write!(
                f,
                "the environment variable {name} is not set: set it, or write ${{{name}:-default}}"
            ),
            Self::Form => f.write_str(
                "a variable is written ${NAME} or ${NAME:-default}; write $${ for a plain ${",
            ),
            Self::TooLong(name) => write!(f, "the value of the variable {name} is too long"),
        }
    }
}

/// What became of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Expanded {
    /// It holds no variable.
    Same,
    /// The text after expansion.
    Text(String),
    /// The whole text was one `${NAME:-}`, and it came to nothing: the setting counts as absent.
    Absent,
}

/// Expands `text`.
///
/// # Errors
/// See [`EnvError`].
pub fn expand(text: &str, lookup: Lookup<'_>) -> Result<Expanded, EnvError> {
    if !text.contains("${") {
        return Ok(Expanded::Same);
    }
    let mut out = String::new();
    let mut rest = text;
    let mut absent = false;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        if before.ends_with('$') {
            // `$${` is a plain `${`; one dollar has been written already.
            out.push('{');
            rest = after;
            continue;
        }
        let (reference, tail) = after.split_once('}').ok_or(EnvError::Form)?;
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_name(name) {
            return Err(EnvError::Form);
        }
        // As in a shell: with `:-`, set but empty counts as not set.
        let value = match (lookup(name), default) {
            (Some(value), None) => value,
            (Some(value), Some(_)) if !value.is_empty() => value,
            (_, Some(default)) => default.to_owned(),
            (None, None) => return Err(EnvError::Unset(name.to_owned())),
        };
        absent = default.is_some() && value.is_empty() && before.is_empty() && tail.is_empty();
        if out.len() + value.len() > EXPANDED_BYTES_MAX {
            return Err(EnvError::TooLong(name.to_owned()));
        }
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(if absent && out.is_empty() {
        Expanded::Absent
    } else {
        Expanded::Text(out)
    })
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

// In a flow mapping (`{ token: ${TOKEN} }`) YAML would read the braces as its own. Before parsing, the characters of a
// reference that mean something to YAML are therefore replaced by private ones, one for one so that columns stay right,
// and put back in every text that the parser yields.
const MASKED: [(char, char); 9] = [
    ('{', '\u{F8E0}'),
    ('}', '\u{F8E1}'),
    ('[', '\u{F8E2}'),
    (']', '\u{F8E3}'),
    (',', '\u{F8E4}'),
    (':', '\u{F8E5}'),
    ('#', '\u{F8E6}'),
    ('&', '\u{F8E7}'),
    ('*', '\u{F8E8}'),
];

/// Hides references from the YAML parser. `None` if the text already holds one of the private characters.
#[must_use]
pub fn mask(source: &str) -> Option<String> {
    let private = |c: char| MASKED.iter().any(|(_, hidden)| *hidden == c);
    if source.contains(private) {
        return None;
    }
    let mut out = String::with_capacity(source.len() + 64);
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        out.push('$');
        // A reference with a quote in it is left to YAML's own quoting.
        let inner = after
            .split_once('}')
            .map(|(inner, _)| inner)
            .filter(|inner| !inner.contains(['\n', '\r', '"', '\'']));
        let Some(inner) = inner else {
            out.push('{');
            rest = after;
            continue;
        };
        out.push('\u{F8E0}');
        out.extend(inner.chars().map(|c| {
            MASKED
                .iter()
                .find(|(plain, _)| *plain == c)
                .map_or(c, |(_, hidden)| *hidden)
        }));
        out.push('\u{F8E1}');
        rest = after.get(inner.len() + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    Some(out)
}

/// Undoes [`mask`] in one text.
#[must_use]
pub fn unmask(text: &str) -> String {
    text.chars()
        .map(|c| {
            MASKED
                .iter()
                .find(|(_, hidden)| *hidden == c)
                .map_or(c, |(plain, _)| *plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("10.0.0.7".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".into()),
            "BIG" => Some("x".repeat(EXPANDED_BYTES_MAX + 1)),
            _ => None,
        }
    }

    #[test]
    fn expands() {
        let text = |t: &str| Expanded::Text(t.to_owned());
        for (given, expected) in [
            ("plain $HOST", Ok(Expanded::Same)),
            ("${HOST}", Ok(text("10.0.0.7"))),
            (
                "http://${HOST}:${PORT:-80}/x",
                Ok(text("http://10.0.0.7:80/x")),
            ),
            ("${UNSET:-a:-b}", Ok(text("a:-b"))),
            ("${EMPTY:-d}", Ok(text("d"))),
            ("${EMPTY}", Ok(text(""))),
            ("${UNSET:-}", Ok(Expanded::Absent)),
            ("${EMPTY:-}", Ok(Expanded::Absent)),
            ("x${UNSET:-}", Ok(text("x"))),
            // A value is never expanded again.
            ("${NESTED}", Ok(text("${HOST}"))),
            ("$${HOST}", Ok(text("${HOST}"))),
            ("${UNSET}", Err(EnvError::Unset("UNSET".into()))),
            ("${UN SET}", Err(EnvError::Form)),
            ("${}", Err(EnvError::Form)),
            ("${1A}", Err(EnvError::Form)),
            ("${HOST", Err(EnvError::Form)),
            ("${BIG}", Err(EnvError::TooLong("BIG".into()))),
        ] {
            assert_eq!(expand(given, &env), expected, "{given}");
        }
    }

    #[test]
    fn errors_hold_no_value() {
        let error = expand("${HOST}${UNSET}", &env).unwrap_err().to_string();
        assert!(error.contains("UNSET") && !error.contains("10.0.0.7"));
    }

    #[test]
    fn masking_keeps_columns_and_comes_back() {
        for source in [
            "a: { token: ${T:-x, y} }",
            "a: \"${T:-'q'}\"",
            "${",
            "${A}${B",
            "# ${c}\nk: v",
        ] {
            let masked = mask(source).unwrap();
            assert_eq!(masked.chars().count(), source.chars().count(), "{source}");
            assert_eq!(unmask(&masked), source);
        }
        assert_eq!(mask("\u{F8E0}"), None);
    }
}
