//! The demo's config file, written for the ports and the models that it finds.
//!
//! Invariant: an ordinary config, which anybody could have written. Whatever is quoted in it is quoted by one function.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use sim::Sim;

use super::{Found, KEY, KEY_RESTRICTED};

/// The text of the file: simulated vendors, a local model that is simulated unless one was `found`, and policies to see work.
pub(super) fn config(
    sim: &Sim,
    found: Option<&Found>,
    home: &Path,
    listen: SocketAddr,
    admin: SocketAddr,
) -> anyhow::Result<String> {
    let (vendor, base, model) = match found {
        Some(found) => (
            found.vendor,
            format!("http://127.0.0.1:{}", found.port),
            found.model.as_str(),
        ),
        None => ("vllm", sim.base_url("vllm"), "qwen2.5-72b-instruct"),
    };
    let mut text = String::new();
    writeln!(
        text,
        "# The demo's config: edit it while the demo runs, it reloads by itself."
    )?;
    writeln!(
        text,
        "listen: {}\nadmin: {{ listen: {} }}",
        quoted(&listen.to_string())?,
        quoted(&admin.to_string())?
    )?;
    writeln!(
        text,
        "grades: [public, internal, confidential, restricted]\n\nproviders:"
    )?;
    for vendor in ["tongyi", "wenxin", "wenxin-v1", "glm"] {
        text += &simulated(vendor, sim)?;
    }
    writeln!(
        text,
        "  local: {{ vendor: {vendor}, base_url: {}, location: self_hosted, clearance: restricted }}",
        quoted(&base)?
    )?;
    text += &models(model)?;
    text += &rules(home)?;
    Ok(text)
}

/// The line of a simulated vendor.
fn simulated(vendor: &str, sim: &Sim) -> anyhow::Result<String> {
    let (key, second) = match vendor {
        "glm" => (sim::GLM_TEST_KEY, ""),
        "wenxin-v1" => ("sim-client-id", ", secret_key: sim-client-secret"),
        _ => ("sk-simulated", ""),
    };
    let base = quoted(&sim.base_url(vendor))?;
    Ok(format!(
        "  {vendor}: {{ vendor: {vendor}, base_url: {base}, api_key: {}{second}, location: domestic, clearance: internal }}\n",
        quoted(key)?
    ))
}

/// The models; those of the local runtime are its `model`.
fn models(model: &str) -> anyhow::Result<String> {
    let model = quoted(model)?;
    Ok(format!(
        r#"
models:
  assistant:                      # vendors first; what they may not see goes to the local model
    targets:
      - {{ provider: tongyi, model: qwen-max, weight: 3 }}
      - {{ provider: glm, model: glm-4-plus, weight: 1 }}
      - {{ provider: wenxin, model: ernie-4.0-turbo-8k, priority: 2 }}
      - {{ provider: local, model: {model}, priority: 3 }}
  tongyi: {{ targets: [ {{ provider: tongyi, model: qwen-max }} ] }}
  glm: {{ targets: [ {{ provider: glm, model: glm-4-plus }} ] }}
  wenxin: {{ targets: [ {{ provider: wenxin, model: ernie-4.0-turbo-8k }} ] }}
  wenxin-legacy: {{ targets: [ {{ provider: wenxin-v1, model: ERNIE-4.0-8K }} ] }}
  local: {{ targets: [ {{ provider: local, model: {model} }} ] }}
  unlucky:                        # the first target hides an error in a 200: the second answers
    targets:
      - {{ provider: wenxin-v1, model: "ERNIE-4.0-8K@code:336100" }}
      - {{ provider: tongyi, model: qwen-max, priority: 2 }}
"#
    ))
}

/// Keys, policies, and where the audit log lies: in `home`.
fn rules(home: &Path) -> anyhow::Result<String> {
    let hash = |key: &str| {
        policies::access::token::show_digest(&policies::access::token::digest(key.as_bytes()))
    };
    Ok(format!(
        r#"
teams:
  demo: {{ limits: {{ rpm: 600 }} }}
keys:
  - {{ id: demo, team: demo, hash: "{}", grade: internal }}
  - {{ id: demo-restricted, team: demo, hash: "{}", grade: restricted }}

policies:
  packs: [cn-pipl, secrets, source-code, prompt-injection]
  rules:
    - {{ name: numbers-come-back, find: [CN_ID_CARD, BANK_CARD, CN_MOBILE], remedy: redact, restore: true }}
    - {{ name: mail-stays-out, find: [EMAIL], remedy: redact }}
    - {{ name: no-code-outside, find: [SOURCE_CODE], remedy: reroute }}
    - {{ name: no-secrets, find: [SECRET], remedy: refuse }}
  output: {{ find: [CN_ID_CARD, BANK_CARD, CN_MOBILE], remedy: redact }}

audit: {{ dir: {} }}
log: {{ level: warn }}
drain: {{ accept: 0s, limit: 5s }}
"#,
        hash(KEY),
        hash(KEY_RESTRICTED),
        quoted(&home.join("audit").display().to_string())?,
    ))
}

/// A text as JSON, and so as YAML, has it.
fn quoted(text: &str) -> serde_json::Result<String> {
    serde_json::to_string(text)
}
