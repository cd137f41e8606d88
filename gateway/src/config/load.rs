//! From a file to a typed config: read, parse, expand, decode, fetch secrets.
//!
//! Knows form, not sense: names may still dangle. Reads the config and the secret files it refers to, nothing else; the
//! environment is passed in. Invariants: every file is bounded; a problem never holds a secret or what a variable
//! expanded to.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::decode::decode;
use super::env::Lookup;
use super::node::{Node, Value, parse};
use super::price_table::fetch_prices;
use super::problem::{Place, Problem, Severity, Step, show_path};
use super::scalar::place_within;
use super::schema::{Audit, Checkpoint, Config, Gate, Provider};
use super::words::fetch_words;
use crate::secret::Secret;

/// Largest config file: fifty thousand keys with limits take 12 MB.
pub const CONFIG_BYTES_MAX: u64 = 16 << 20;
/// Largest file with a secret, a certificate chain or authorities.
pub const SECRET_BYTES_MAX: u64 = 1 << 20;

/// The file, kept to say where in it something stands.
pub struct Doc {
    file: String,
    root: Node,
    text: Secret,
}

/// Shows no text: secrets may stand in it.
impl fmt::Debug for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doc")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Doc {
    /// The text of a part that is no file: what it says is shown, places are not.
    pub(super) fn of(text: &str) -> Self {
        let whole = parse("", text, &|_| None);
        Self {
            root: whole.unwrap_or_else(|_| Node::nothing()),
            ..Self::nowhere()
        }
    }

    /// No text at all.
    pub(super) fn nowhere() -> Self {
        Self {
            file: String::new(),
            root: Node::nothing(),
            text: Secret::default(),
        }
    }

    /// A problem with the setting at `steps`; where that is not in the file, its place is that of what would hold it.
    #[must_use]
    pub fn problem(&self, severity: Severity, steps: &[Step], message: String) -> Problem {
        Problem {
            severity,
            file: self.file.clone(),
            place: self.root.nearest(steps).place,
            path: show_path(steps),
            message,
            suggestion: None,
        }
    }

    /// A problem with byte `offset` of the text at `steps`.
    #[must_use]
    pub fn problem_within(&self, steps: &[Step], offset: usize, message: String) -> Problem {
        let node = self.root.nearest(steps);
        let mut problem = self.problem(Severity::Error, steps, message);
        if let Value::Text(value) = &node.value {
            problem.place = place_within(self.text.expose(), node.place, value, offset);
        }
        problem
    }

    /// Whether a variable was expanded in the setting at `steps`: what its text holds must then not be shown.
    #[must_use]
    pub fn is_expanded(&self, steps: &[Step]) -> bool {
        self.root.nearest(steps).is_expanded()
    }

    /// The setting as the file has it: `${NAME}` where a variable stands.
    #[must_use]
    pub fn shown(&self, steps: &[Step]) -> String {
        self.root.nearest(steps).shown()
    }
}

/// A config of good form, its secrets fetched.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The file it came from.
    pub doc: Doc,
    /// Where relative paths of certificates and secrets start.
    pub dir: PathBuf,
    /// The files of secrets and words that were read.
    pub files: Vec<PathBuf>,
    /// SHA-256 of the text.
    pub digest: [u8; 32],
    /// Digests of all secrets, with the section that each stands in.
    pub secrets: Vec<(String, [u8; 32])>,
}

impl Loaded {
    /// The first 8 bytes of the text's SHA-256, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.digest
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect()
    }
}

/// Loads the config at `path`.
///
/// # Errors
/// Everything found wrong with its form, at least one problem.
pub fn load(path: &Path, env: Lookup<'_>) -> Result<Loaded, Vec<Problem>> {
    let file = path.display().to_string();
    let text = read_text(path)?;
    let dir = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    load_text(&file, &text, &dir, env)
}

/// The text of a config file.
///
/// # Errors
/// That it cannot be read, is too large, or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Vec<Problem>> {
    let file = path.display().to_string();
    let bytes = read_bounded(path, CONFIG_BYTES_MAX)
        .map_err(|error| vec![whole(&file, format!("cannot be read: {}", said(&error)))])?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let lines = bytes.iter().take(good).filter(|b| **b == b'\n').count();
        let message = format!("not UTF-8, in line {}", lines + 1);
        vec![whole(&file, message)]
    })
}

/// Loads a config from `text`; `file` only names it in problems, and `dir` is where relative paths start.
///
/// # Errors
/// Everything found wrong with its form, at least one problem.
pub fn load_text(
    file: &str,
    text: &str,
    dir: &Path,
    env: Lookup<'_>,
) -> Result<Loaded, Vec<Problem>> {
    let root = parse(file, text, env)?;
    let mut loaded = unfetched(file, text, root, dir)?;
    let mut problems = fetch_secrets(&mut loaded);
    problems.extend(fetch_words(&mut loaded));
    problems.extend(fetch_prices(&mut loaded));
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(problems)
    }
}

/// A config whose `file:` references still have to be read. `root` is what `text` was parsed to.
pub(super) fn unfetched(
    file: &str,
    text: &str,
    root: Node,
    dir: &Path,
) -> Result<Loaded, Vec<Problem>> {
    // An editor that truncates before it writes must not leave a gateway without keys and models.
    let empty = match &root.value {
        Value::Null => true,
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    };
    if empty {
        return Err(vec![whole(file, "the file holds no settings".into())]);
    }
    Ok(Loaded {
        config: decode(file, &root)?,
        doc: Doc {
            file: file.to_owned(),
            root,
            text: Secret::new(text.to_owned()),
        },
        dir: dir.to_owned(),
        files: Vec::new(),
        digest: policies::access::token::digest(text.as_bytes()),
        secrets: Vec::new(),
    })
}

/// Replaces `file:` references by what the files hold.
fn fetch_secrets(loaded: &mut Loaded) -> Vec<Problem> {
    let Loaded {
        config,
        doc,
        dir,
        files,
        digest: _,
        secrets,
    } = loaded;
    let mut problems = Vec::new();
    let mut fetch = |secret: &mut Secret, steps: &[Step]| {
        if let Some(path) = secret.file_reference().map(|path| dir.join(path)) {
            match read_secret(&path) {
                Ok(value) => *secret = value,
                Err(why) => {
                    let message = format!("`{}` {why}", doc.shown(steps));
                    problems.push(doc.problem(Severity::Error, steps, message));
                }
            }
            files.push(path);
        } else if secret.is_empty() {
            let message = "is empty; leave it out if it is not needed".into();
            problems.push(doc.problem(Severity::Error, steps, message));
        }
        if let Some(Step::Key(section)) = steps.first() {
            let digest = policies::access::token::digest(secret.expose().as_bytes());
            secrets.push((section.to_string(), digest));
        }
    };
    if let Some(token) = &mut config.admin.token {
        fetch(token, &["admin".into(), "token".into()]);
    }
    fetch(&mut config.state.store, &["state".into(), "store".into()]);
    if let Some(pepper) = &mut config.state.pepper {
        fetch(pepper, &["state".into(), "pepper".into()]);
    }
    if let Some(secret) = config
        .alerts
        .webhook
        .as_mut()
        .and_then(|hook| hook.secret.as_mut())
    {
        fetch(
            secret,
            &["alerts".into(), "webhook".into(), "secret".into()],
        );
    }
    fetch_checkpoint(&mut config.audit.checkpoint, &mut fetch);
    if let Some(pepper) = &mut config.policies.pepper {
        fetch(pepper, &["policies".into(), "pepper".into()]);
    }
    if let Some(key) = &mut config.audit.seal.key {
        fetch(key, &["audit".into(), "seal".into(), "key".into()]);
    }
    fetch_providers(&mut config.providers, &mut fetch);
    fetch_shipping(&mut config.audit, &mut fetch);
    fetch_gates(&mut config.policies.gates, &mut fetch);
    problems
}

fn fetch_providers(
    providers: &mut BTreeMap<String, Provider>,
    fetch: &mut impl FnMut(&mut Secret, &[Step]),
) {
    for (name, provider) in providers {
        let at = |field: &str| ["providers".into(), Step::from(name.as_str()), field.into()];
        if let Some(key) = &mut provider.api_key {
            fetch(key, &at("api_key"));
        }
        if let Some(key) = &mut provider.secret_key {
            fetch(key, &at("secret_key"));
        }
        if let Some(token) = &mut provider.session_token {
            fetch(token, &at("session_token"));
        }
        for (header, value) in &mut provider.headers {
            let mut steps = at("headers").to_vec();
            steps.push(header.as_str().into());
            fetch(value, &steps);
        }
    }
}

fn fetch_gates(gates: &mut [Gate], fetch: &mut impl FnMut(&mut Secret, &[Step])) {
    for (index, gate) in gates.iter_mut().enumerate() {
        for (header, value) in &mut gate.headers {
            let at: [Step; 5] = [
                "policies".into(),
                "gates".into(),
                index.into(),
                "headers".into(),
                header.as_str().into(),
            ];
            fetch(value, &at);
        }
    }
}

/// The secrets of the audit log's checkpoints.
fn fetch_checkpoint(checkpoint: &mut Checkpoint, fetch: &mut impl FnMut(&mut Secret, &[Step])) {
    if let Some(key) = &mut checkpoint.key {
        fetch(key, &["audit".into(), "checkpoint".into(), "key".into()]);
    }
    let at = ["audit", "checkpoint", "anchors"].map(Step::from);
    for (index, anchor) in checkpoint.anchors.iter_mut().enumerate() {
        if let Some(token) = &mut anchor.token {
            fetch(token, &[&at[..], &[index.into(), "token".into()]].concat());
        }
        for (option, value) in &mut anchor.options {
            let steps = [index.into(), "options".into(), option.as_str().into()];
            fetch(value, &[&at[..], &steps].concat());
        }
    }
}

/// The secrets of what the audit log is copied to.
fn fetch_shipping(audit: &mut Audit, fetch: &mut impl FnMut(&mut Secret, &[Step])) {
    if let Some(lake) = &mut audit.lake {
        for (option, value) in &mut lake.options {
            let at: [Step; 4] = [
                "audit".into(),
                "lake".into(),
                "options".into(),
                option.as_str().into(),
            ];
            fetch(value, &at);
        }
    }
    for (index, siem) in audit.siem.iter_mut().enumerate() {
        let at = |field: &str| {
            [
                "audit".into(),
                "siem".into(),
                index.into(),
                Step::from(field),
            ]
        };
        if let Some(token) = &mut siem.token {
            fetch(token, &at("token"));
        }
        for (header, value) in &mut siem.headers {
            let mut steps = at("headers").to_vec();
            steps.push(header.as_str().into());
            fetch(value, &steps);
        }
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let mut bytes = read_bounded(path, SECRET_BYTES_MAX)
        .map_err(|error| format!("cannot be read: {}", said(&error)))?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
    if text.is_empty() {
        return Err("is empty".into());
    }
    Ok(Secret::new(text))
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// The file's, or `FileTooLarge`.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than allowed tells that it is too much.
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// An I/O error's kind in words. Its own text may hold the path, and that may come from a variable.
pub(crate) fn said(error: &io::Error) -> String {
    error.kind().to_string()
}

fn whole(file: &str, message: String) -> Problem {
    Problem {
        severity: Severity::Error,
        file: file.to_owned(),
        place: Place::default(),
        path: String::new(),
        message,
        suggestion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("sk-from-env".into()),
            "N" => Some("7".into()),
            "ON" => Some("true".into()),
            _ => None,
        }
    }

    fn errors(text: &str) -> String {
        let problems = load_text("y.yaml", text, Path::new("/nowhere"), &env).unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn texts_of_errors() {
        // What people mistype, and exactly what they are told.
        for (text, expected) in [
            (
                "providers:\n  near: { vendor: acme, clearence: internal }\n",
                "y.yaml:2:25: providers.near.clearence: unknown key; did you mean `clearance`?",
            ),
            (
                "provider: {}\nlisten: 1.2.3.4:1\nmodells: {}\n",
                "y.yaml:1:1: provider: unknown key; did you mean `providers`?\n\
                 y.yaml:3:1: modells: unknown key; did you mean `models`?",
            ),
            (
                "overload: { speed: 3 }\n",
                "y.yaml:1:13: overload.speed: unknown key; known here: max_inflight",
            ),
            (
                "drain:\n  accept: 5\n",
                "y.yaml:2:11: drain.accept: a time needs its unit: write 100ms, 5s, 3m or 1h",
            ),
            (
                "drain: { accept: fast }\n",
                "y.yaml:1:18: drain.accept: not a time: write a number and a unit, like 100ms, 5s, 3m or 1h",
            ),
            (
                "limits: { body_bytes: lots, json_depth: -1 }\n",
                "y.yaml:1:23: limits.body_bytes: not a size: write bytes, or a number and KiB, MiB or GiB",
            ),
            (
                "limits: { json_depth: -1 }\n",
                "y.yaml:1:23: limits.json_depth: out of range: expected u32",
            ),
            (
                "providers:\n  a: { vendor: 7 }\n  b: { api_key: x }\n  c: { vendor: v, location: domestik }\n",
                "y.yaml:2:16: providers.a.vendor: expected text: put the value in quotes\n\
                 y.yaml:3:6: providers.b: `vendor` is missing\n\
                 y.yaml:4:29: providers.c.location: `domestik` is unknown; did you mean `domestic`?",
            ),
            (
                "telemetry: { otlp: x }\ninclude: []\n",
                "y.yaml:1:1: telemetry: not supported by this version\n\
                 y.yaml:2:1: include: not supported by this version",
            ),
            (
                "models: { m: { targets: { provider: p } } }\n",
                "y.yaml:1:25: models.m.targets: expected a list, found a mapping",
            ),
            (
                "models: { m: { targets: [ { provider: p }, { model: x } ] } }\n",
                "y.yaml:1:27: models.m.targets[0]: `model` is missing\n\
                 y.yaml:1:44: models.m.targets[1]: `provider` is missing",
            ),
            (
                "limits:\n",
                "y.yaml:1:7: limits: expected a mapping, found nothing",
            ),
            ("- a\n", "y.yaml:1:1: expected a mapping, found a list"),
            ("", "y.yaml: the file holds no settings"),
            ("# nothing\n", "y.yaml: the file holds no settings"),
            (
                "admin: { token: \"${NOPE}\" }\n",
                "y.yaml:1:17: admin.token: the environment variable NOPE is not set: set it, or write ${NOPE:-default}",
            ),
            (
                "admin: { token: \"file:missing\" }\n",
                "y.yaml:1:17: admin.token: `file:missing` cannot be read: entity not found",
            ),
            (
                "http2: { max_streams: \"7\" }\n",
                "y.yaml:1:23: http2.max_streams: expected a whole number, found text",
            ),
        ] {
            assert_eq!(errors(text), expected);
        }
    }

    #[test]
    fn errors_never_hold_what_a_variable_held() {
        for text in [
            "state: { prefix: 7, store: \"${KEY}\" }\n",
            "drain: { accept: \"${KEY}\" }\n",
            "limits: { json_depth: \"${KEY}\", body_bytes: 1 }\n",
            "limits: { body_bytes: \"${KEY}\" }\n",
            "log: { level: ${KEY} }\n",
            "providers: { p: { vendor: v, http2: ${KEY} } }\n",
            "admin: { token: \"file:${KEY}\" }\n",
            "providers: ${KEY}\n",
            "grades: ${KEY}\n",
        ] {
            let said = errors(text);
            assert!(!said.contains("sk-from-env"), "{said}");
            assert!(said.starts_with("y.yaml:1:"), "{said}");
        }
    }

    #[test]
    fn variables_may_stand_for_numbers_and_switches() {
        let text = "http2: { max_streams: ${N} }\nadmin: { token: ${KEY}, hosts: [ \"${H:-a.b}\" ] }\n\
                    providers: { p: { vendor: v, http2: ${ON}, api_key: ${NONE:-} } }\n";
        let config = load_text("y.yaml", text, Path::new(""), &env)
            .unwrap()
            .config;
        assert_eq!(config.http2.max_streams, 7);
        assert_eq!(config.admin.token.unwrap().expose(), "sk-from-env");
        assert_eq!(config.admin.hosts, ["a.b"]);
        let provider = config.providers.get("p").unwrap();
        assert!(provider.http2 && provider.api_key.is_none());
    }

    #[test]
    fn secrets_come_from_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "sk-in-file\n").unwrap();
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        let config = dir.path().join("yumen.yaml");
        std::fs::write(
            &config,
            "providers: { p: { vendor: v, api_key: \"file:key\" } }\n",
        )
        .unwrap();
        let loaded = load(&config, &env).unwrap();
        let key = loaded.config.providers.get("p").unwrap().api_key.clone();
        assert_eq!(key.unwrap().expose(), "sk-in-file");
        assert_eq!(loaded.files, [dir.path().join("key")]);
        assert!(!format!("{loaded:?}").contains("sk-in-file"));
        let inline = "admin: { token: sk-inline }\n";
        let loaded = load_text("y.yaml", inline, Path::new(""), &env).unwrap();
        assert!(!format!("{loaded:?}").contains("sk-inline"));
        std::fs::write(&config, "admin: { token: \"file:empty\" }\n").unwrap();
        let problems = load(&config, &env).unwrap_err();
        assert!(problems[0].to_string().ends_with("`file:empty` is empty"));
    }

    #[test]
    fn files_are_bounded_and_utf8() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("y.yaml");
        std::fs::write(&path, vec![b'#'; (CONFIG_BYTES_MAX + 1) as usize]).unwrap();
        assert!(
            load(&path, &env).unwrap_err()[0]
                .message
                .contains("file too large")
        );
        std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
        assert!(load(&path, &env).unwrap_err()[0].message.contains("line 2"));
        let gone = dir.path().join("gone.yaml");
        assert!(
            load(&gone, &env).unwrap_err()[0]
                .message
                .contains("not found")
        );
    }
}
