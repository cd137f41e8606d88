//! Configs for gateways under test, as JSON, which is YAML.
//!
//! Knows the config's names as a user does, from its documentation.

use serde_json::{Value, json};
use sim::Sim;

/// The key that every config has, allowed everything.
pub const KEY: &str = "ym-blackbox-7Qm2xT9vKdLw";

/// Every vendor, with the model name that its simulator is asked for. That none is missing is checked against the
/// product's own list.
pub const VENDORS: &[(&str, &str)] = &[
    ("anthropic", "claude-3-7-sonnet-sim"),
    ("bedrock", "us.anthropic.claude-sonnet-4-sim-v1:0"),
    ("gemini", "gemini-3-sim"),
    ("wenxin", "ernie-4.0-turbo-8k"),
    ("wenxin-v1", "completions_pro"),
    ("tongyi", "qwen-plus"),
    ("tongyi-compatible", "qwen-plus"),
    ("glm", "glm-4-plus"),
    ("openai-compatible", "some-model"),
    ("vllm", "local-model"),
    ("llamacpp", "local-model"),
    ("ollama", "local-model"),
    ("openai", "gpt-4o"),
    ("deepseek", "deepseek-chat"),
    ("moonshot", "kimi-k2.6"),
    ("minimax", "MiniMax-Text-01"),
    ("minimax-v2", "abab6.5s-chat"),
    ("baichuan", "Baichuan4-Turbo"),
    ("doubao", "doubao-seed-1-6"),
    ("sensenova", "sensenova-6.8-flash-lite"),
    ("sensenova-native", "SenseChat-5"),
    ("spark", "4.0Ultra"),
    ("spark-ws", "4.0Ultra"),
    ("bluelm", "Doubao-Seed-2.0-pro"),
    ("sglang", "local-model"),
    ("tgi", "tgi"),
    ("lmdeploy", "local-model"),
    ("xinference", "local-uid"),
    ("mindie", "pangu-embedded"),
    ("bluelm-native", "vivo-BlueLM-TB-Pro"),
    ("mistral", "mistral-large-latest"),
    ("xai", "grok-4"),
    ("cohere", "command-a-03-2025"),
    ("azure-openai", "gpt-4o"),
    ("xuanyuan", "xuanyuan-70b-chat"),
    ("minicpm", "minicpm5-2b"),
    ("sagegpt", "sagegpt"),
    ("ainnogc", "ainnogc"),
    ("medgpt", "medgpt"),
    ("pangu", "pangu-nlp-sim"),
    ("pangu-v2", "pangu-nlp-sim"),
    ("huawei-maas", "DeepSeek-V3"),
    ("minimax-pro", "abab6.5s-chat"),
];

/// Vendors whose wire dialect is not the client's.
pub const TRANSLATED: [&str; 13] = [
    "bedrock",
    "gemini",
    "wenxin-v1",
    "tongyi",
    "anthropic",
    "minimax-v2",
    "sensenova-native",
    "spark",
    "spark-ws",
    "mistral",
    "pangu",
    "pangu-v2",
    "minimax-pro",
];

/// Vendors that are translated too, and whose protocol says little: no tools, no counts, no reason for an end.
pub const BARE: [&str; 1] = ["bluelm-native"];

/// Vendors whose models call no tools.
pub const WITHOUT_TOOLS: [&str; 4] = ["bluelm-native", "xuanyuan", "medgpt", "pangu"];

/// The vendors that speak the client's dialect.
pub fn same_dialect() -> impl Iterator<Item = &'static str> {
    VENDORS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !TRANSLATED.contains(name) && !BARE.contains(name))
}

/// The upstream credential of a provider: planted, so that a leak is found by searching for it.
pub fn upstream_key(vendor: &str) -> String {
    match vendor {
        "glm" => sim::GLM_TEST_KEY.to_owned(),
        "bedrock" => sim::BEDROCK_TEST_ACCESS_KEY.to_owned(),
        "bluelm-native" => sim::BLUELM_TEST_KEY.to_owned(),
        "spark-ws" => sim::SPARK_TEST_KEY.to_owned(),
        _ => format!("sk-planted-{vendor}-X8f3QpL2"),
    }
}

/// The second half of it, where a vendor has one.
pub fn upstream_secret(vendor: &str) -> String {
    match vendor {
        "bedrock" => sim::BEDROCK_TEST_SECRET_KEY.to_owned(),
        "spark-ws" => sim::SPARK_TEST_SECRET.to_owned(),
        _ => format!("planted-secret-{vendor}-N5hR7w"),
    }
}

/// `sha256:…` of a key, as the config wants it.
pub fn hash(key: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// A config that is being written.
#[derive(Clone, Debug)]
pub struct Config(pub Value);

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// No provider, no model, one key; ports of the system's choice; quick to start and to stop.
    pub fn new() -> Self {
        let mut config = Self(json!({
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "runtime": {"workers": 1},
            "audit": {"dir": "audit"},
            "drain": {"accept": "50ms", "limit": "3s"},
            "log": {"level": "debug"},
            "providers": {}, "models": {}, "teams": {}, "keys": [],
        }));
        config.key("main", KEY, json!({}));
        config
    }

    /// One provider and one model `m-<vendor>` for each of `vendors`.
    pub fn with(sim: &Sim, vendors: impl IntoIterator<Item = &'static str>) -> Self {
        let mut config = Self::new();
        for vendor in vendors {
            config.sim_provider(vendor, vendor, sim);
            config.model(&format!("m-{vendor}"), &[(vendor, usual(vendor))]);
        }
        config
    }

    /// All vendors.
    pub fn all(sim: &Sim) -> Self {
        Self::with(sim, VENDORS.iter().map(|(name, _)| *name))
    }

    /// The plain one: vendor `openai-compatible`, model `m-openai-compatible`.
    pub fn plain(sim: &Sim) -> Self {
        Self::with(sim, ["openai-compatible"])
    }

    /// A provider at the simulator's surface of its vendor.
    pub fn sim_provider(&mut self, name: &str, vendor: &str, sim: &Sim) -> &mut Self {
        let surface = if vendor == "openai-compatible" {
            "openai"
        } else {
            vendor
        };
        self.provider(name, vendor, &sim.base_url(surface))
    }

    /// A provider with the highest clearance.
    pub fn provider(&mut self, name: &str, vendor: &str, base_url: &str) -> &mut Self {
        let mut provider =
            json!({"vendor": vendor, "base_url": base_url, "clearance": "restricted"});
        if ["pangu", "pangu-v2"].contains(&vendor) {
            // The identity service of the same simulator.
            let origin: Vec<&str> = base_url.splitn(4, '/').take(3).collect();
            provider["secret_key"] = upstream_secret(vendor).into();
            provider["token_url"] = origin.join("/").into();
            provider["region"] = sim::PANGU_TEST_REGION.into();
            provider["app_id"] = sim::PANGU_TEST_PROJECT.into();
        }
        if vendor == "minimax-pro" {
            provider["app_id"] = "group-0001".into();
        }
        if vendor != "ollama" {
            provider["api_key"] = upstream_key(vendor).into();
        }
        if ["wenxin-v1", "bedrock", "spark-ws"].contains(&vendor) {
            provider["secret_key"] = upstream_secret(vendor).into();
        }
        if vendor == "bedrock" {
            provider["region"] = sim::BEDROCK_TEST_REGION.into();
        }
        if vendor == "bluelm-native" {
            provider["app_id"] = sim::BLUELM_TEST_APP.into();
        }
        if vendor == "spark-ws" {
            provider["app_id"] = sim::SPARK_TEST_APP.into();
        }
        self.0["providers"][name] = provider;
        self
    }

    /// A provider of the plain vendor at `origin`, and a model of the same name there.
    pub fn plain_at(&mut self, name: &str, origin: &str) -> &mut Self {
        self.provider(name, "openai-compatible", &format!("{origin}/v1"));
        self.model(name, &[(name, "some-model")])
    }

    /// A model with targets in order of preference.
    pub fn model(&mut self, name: &str, targets: &[(&str, &str)]) -> &mut Self {
        let targets: Vec<Value> = targets
            .iter()
            .enumerate()
            .map(|(at, (provider, model))| json!({"provider": provider, "model": model, "priority": at + 1}))
            .collect();
        self.0["models"][name] = json!({"targets": targets});
        self
    }

    /// A model at a vendor's simulator that behaves as the faults say (`@status:429`); `name` is what clients ask for.
    pub fn fault(&mut self, name: &str, vendor: &str, faults: &str) -> &mut Self {
        self.model(name, &[(vendor, &format!("{}{faults}", usual(vendor)))])
    }

    /// A virtual key; `extra` joins its fields.
    pub fn key(&mut self, id: &str, key: &str, extra: Value) -> &mut Self {
        let mut entry = json!({"id": id, "hash": hash(key)});
        for (name, value) in extra.as_object().into_iter().flatten() {
            entry[name.as_str()] = value.clone();
        }
        self.0["keys"].as_array_mut().unwrap().push(entry);
        self
    }

    /// Sets what `path` (`upstream/timeouts/connect`) names.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> &mut Self {
        let mut at = &mut self.0;
        for step in path.split('/') {
            at = &mut at[step];
        }
        *at = value.into();
        self
    }

    /// The file's text. Pretty, so that places in it have lines.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap()
    }
}

/// The usual model of a vendor.
pub fn usual(vendor: &str) -> &'static str {
    VENDORS
        .iter()
        .find(|(name, _)| *name == vendor)
        .map_or("some-model", |(_, model)| model)
}
