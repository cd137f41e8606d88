//! The gateway's config of a comparison, and the key it accepts.
//!
//! It must never know the gateway's code, only the contract of its config. Invariant: a top-level key of the extra
//! file replaces the one written here, because a key that occurs twice is an error.

use crate::workload::Workload;
use anyhow::{Context as _, anyhow};
use std::path::Path;
use std::process::Command;

/// Used when the gateway makes no key of its own.
const KEY: &str = "ym-loadtest-4f1d0c7a92be46538e1a";
/// `sha256:` and the hex SHA-256 of `KEY`.
const KEY_HASH: &str = "sha256:d2177a24c7a839e5b35273c9cfecc06b18196fc9dbde26bdcb2e581160421167";
/// Replaced in the extra file by the mock's URL.
const MOCK_MARK: &str = "${LOADTEST_MOCK}";
/// Replaced in the extra file by the run's own directory.
const DIR_MARK: &str = "${LOADTEST_DIR}";

/// A virtual key as a client and as the config know it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) secret: String,
    pub(crate) hash: String,
}

impl Key {
    /// A fixed key, for servers that look at none.
    pub(crate) fn fixed() -> Self {
        Key {
            secret: KEY.to_owned(),
            hash: KEY_HASH.to_owned(),
        }
    }

    /// Asks the gateway for one, because only it knows the form; else the fixed one.
    pub(crate) fn made_by(yumen: &Path) -> Self {
        let made = Command::new(yumen)
            .args(["key", "create", "--json"])
            .output();
        made.ok()
            .and_then(|output| Self::from_json(&output.stdout))
            .unwrap_or_else(Self::fixed)
    }

    fn from_json(json: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(json).ok()?;
        Some(Key {
            secret: value.get("key")?.as_str()?.to_owned(),
            hash: value.get("hash")?.as_str()?.to_owned(),
        })
    }
}

/// The config's text. `mock`: host and port of the mock; `dir`: the run's own directory.
pub(crate) fn text(
    mock: &str,
    dir: &Path,
    key: &Key,
    extra: Option<&Path>,
) -> anyhow::Result<String> {
    let dir = dir
        .to_str()
        .ok_or_else(|| anyhow!("the directory's name is not text"))?;
    let extra = match extra {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?,
        None => String::new(),
    };
    let extra = extra
        .replace(MOCK_MARK, &format!("http://{mock}"))
        .replace(DIR_MARK, dir);
    let replaced: Vec<&str> = extra.lines().filter_map(top_level_key).collect();
    let kept: String = base(mock, dir, &key.hash)
        .into_iter()
        .filter(|section| top_level_key(section).is_none_or(|key| !replaced.contains(&key)))
        .collect();
    Ok(kept + &extra)
}

/// The sections of the config, one top-level key each.
fn base(mock: &str, dir: &str, hash: &str) -> Vec<String> {
    let mut names: Vec<&str> = Workload::ALL
        .iter()
        .map(|workload| workload.model())
        .collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let models: String = names
        .iter()
        .map(|name| format!("  {name}: {{ targets: [ {{ provider: mock, model: {name} }} ] }}\n"))
        .collect();
    vec![
        "listen: 127.0.0.1:0\n".to_owned(),
        "admin: { listen: 127.0.0.1:0 }\n".to_owned(),
        "grades: [public, internal, confidential, restricted]\n".to_owned(),
        format!(
            "providers:\n  mock: {{ vendor: openai-compatible, base_url: \"http://{mock}/v1\", api_key: sk-mock, \
             location: self_hosted, clearance: restricted }}\n"
        ),
        format!("models:\n{models}"),
        format!(
            "teams: {{ load: {{ models: [{}], limits: {{ rpm: 60000000 }} }} }}\n",
            names.join(", ")
        ),
        format!("keys:\n  - {{ id: load, team: load, hash: \"{hash}\", grade: internal }}\n"),
        format!("audit: {{ dir: \"{dir}/audit\" }}\n"),
        // All load comes from one address, and W6 holds thousands of streams.
        "limits: { connections: 50000, connections_per_ip: 50000 }\n".to_owned(),
        "overload: { max_inflight: 50000 }\n".to_owned(),
        "log: { level: warn }\n".to_owned(),
        // Nobody waits for what runs when a measurement is over.
        "drain: { accept: 0s, limit: 1s }\n".to_owned(),
    ]
}

/// `name` of a line or section that begins with `name:` in the first column.
fn top_level_key(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_routed_and_allowed() {
        let text = text("127.0.0.1:9", Path::new("/d"), &Key::fixed(), None).unwrap();
        for workload in Workload::ALL {
            let model = workload.model();
            assert_eq!(
                text.matches(&format!("\n  {model}: {{ targets")).count(),
                1,
                "{text}"
            );
        }
        assert!(
            text.contains("models: [idle, ttft, w1, w2, w3, w5]"),
            "{text}"
        );
        assert!(
            text.contains("http://127.0.0.1:9/v1")
                && text.contains(KEY_HASH)
                && text.contains("/d/audit")
        );
    }

    #[test]
    fn the_extra_file_replaces_whole_sections() {
        let scratch = crate::compare::process::Scratch::new(&std::env::temp_dir()).unwrap();
        let extra = scratch.path().join("extra.yaml");
        std::fs::write(
            &extra,
            "teams:\n  load: { models: [w1] }\nx: ${LOADTEST_MOCK} ${LOADTEST_DIR}\n",
        )
        .unwrap();
        let text = text("h:1", Path::new("/d"), &Key::fixed(), Some(&extra)).unwrap();
        assert_eq!(text.matches("\nteams:").count(), 1);
        assert!(text.contains("load: { models: [w1] }") && !text.contains("rpm"));
        assert!(text.contains("x: http://h:1 /d\n") && text.contains("\nkeys:"));
    }

    #[test]
    fn a_key_is_read_from_the_gateways_answer() {
        let key = Key::from_json(br#"{"id":"a","key":"ym-1","hash":"sha256:2"}"#).unwrap();
        assert_eq!(
            (key.secret.as_str(), key.hash.as_str()),
            ("ym-1", "sha256:2")
        );
        assert!(Key::from_json(b"usage").is_none());
    }
}
