//! `yumen demo`: the gateway in front of simulated vendors, in one process, with commands to paste.
//!
//! Everything goes the ordinary way: a config file, the same start as `serve`, real sockets. Only the vendors are
//! simulated, and say so in every reply; a runtime that answers on this machine's usual ports is used for real. Keys are
//! fixed and worthless: the demo listens on loopback unless told otherwise.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sim::{Options, Pace, Sim};

use crate::book::Registry;
use crate::config::watch::ConfigStore;
use crate::serve::{self, Running};

/// The sample keys: fixed, so that printed commands work anywhere.
const KEY: &str = "ym-demo";
const KEY_RESTRICTED: &str = "ym-demo-restricted";
/// Where runtimes listen when nobody tells them otherwise.
const RUNTIMES: [(&str, u16); 4] = [
    ("ollama", 11434),
    ("vllm", 8000),
    ("llamacpp", 8080),
    ("llamacpp", 9931),
];
/// A runtime on this machine answers its model list in far less.
const PROBE: Duration = Duration::from_millis(400);
/// A model list is short.
const PROBE_BYTES: u64 = 64 << 10;
/// Ports tried after the wanted one when it is taken.
const PORTS_TRIED: u16 = 20;

/// A model server found on this machine.
struct Found {
    vendor: &'static str,
    port: u16,
    model: String,
}

/// Runs the demo until a signal.
///
/// # Errors
/// What keeps it from starting.
pub fn run(listen: &str, admin: &str) -> anyhow::Result<ExitCode> {
    let found = RUNTIMES
        .iter()
        .find_map(|(vendor, port)| probe(vendor, *port));
    let vendors = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("simulated-vendors")
        .enable_all()
        .build()?;
    let sim = vendors.block_on(sim::start(Options {
        pace: Pace::Human,
        ..Options::default()
    }))?;
    let home = Home::make()?;
    let listen = free(listen)?;
    let admin = free(admin)?;
    let path = home.0.join("yumen.yaml");
    std::fs::write(&path, config(&sim, found.as_ref(), &home.0, listen, admin)?)?;
    let opened = ConfigStore::open(&path, Box::new(|_| None), Arc::new(Registry));
    let (store, warnings) = opened.map_err(|problems| {
        anyhow::anyhow!(
            "the demo's own config is wrong: {}",
            problems.iter().map(ToString::to_string).collect::<String>()
        )
    })?;
    let running = serve::start(store, &warnings)?;
    running.announce()?;
    std::io::stdout()
        .write_all(tour(&running, &sim.base_url(""), found.as_ref(), &home.0)?.as_bytes())?;
    std::io::stdout().flush()?;
    let ended = running.until_ended();
    drop(vendors);
    ended
}

/// The demo's directory; gone with it.
struct Home(PathBuf);

impl Home {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("yumen-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing is lost but samples.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The wanted address, or the next with a free port.
fn free(wanted: &str) -> anyhow::Result<SocketAddr> {
    let wanted: SocketAddr = wanted
        .parse()
        .with_context(|| format!("`{wanted}` is no address: write 127.0.0.1:8080"))?;
    let ports = (0..=PORTS_TRIED).filter_map(|step| wanted.port().checked_add(step));
    let mut candidates = ports.map(|port| SocketAddr::new(wanted.ip(), port));
    candidates
        .find(|address| std::net::TcpListener::bind(address).is_ok())
        .with_context(|| format!("{wanted} and the ports after it are taken"))
}

/// Asks a usual port for its first model.
fn probe(vendor: &'static str, port: u16) -> Option<Found> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut socket = TcpStream::connect_timeout(&address, PROBE).ok()?;
    socket.set_read_timeout(Some(PROBE)).ok()?;
    socket
        .write_all(
            format!("GET /v1/models HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .ok()?;
    let mut reply = Vec::new();
    // A time-out after the body has come is no failure.
    let _ = socket.take(PROBE_BYTES).read_to_end(&mut reply);
    let reply = String::from_utf8(reply).ok()?;
    let body = reply
        .strip_prefix("HTTP/1.1 200")
        .and_then(|rest| rest.find('{').and_then(|at| rest.get(at..)))?;
    let end = body.rfind('}')?;
    let listed: serde_json::Value = serde_json::from_str(body.get(..=end)?).ok()?;
    let model = listed.get("data")?.get(0)?.get("id")?.as_str()?.to_owned();
    // Another gateway is no runtime.
    let ours = listed
        .get("data")?
        .get(0)?
        .get("owned_by")
        .and_then(serde_json::Value::as_str)
        == Some("yumen");
    (!ours).then_some(Found {
        vendor,
        port,
        model,
    })
}

fn config(
    sim: &Sim,
    found: Option<&Found>,
    home: &Path,
    listen: SocketAddr,
    admin: SocketAddr,
) -> anyhow::Result<String> {
    let hash = |key: &str| {
        policies::access::token::show_digest(&policies::access::token::digest(key.as_bytes()))
    };
    let quoted = |text: &str| serde_json::to_string(text);
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
        let (key, second) = match vendor {
            "glm" => (sim::GLM_TEST_KEY, ""),
            "wenxin-v1" => ("sim-client-id", ", secret_key: sim-client-secret"),
            _ => ("sk-simulated", ""),
        };
        let base = quoted(&sim.base_url(vendor))?;
        writeln!(
            text,
            "  {vendor}: {{ vendor: {vendor}, base_url: {base}, api_key: {}{second}, location: domestic, clearance: internal }}",
            quoted(key)?
        )?;
    }
    writeln!(
        text,
        "  local: {{ vendor: {vendor}, base_url: {}, location: self_hosted, clearance: restricted }}",
        quoted(&base)?
    )?;
    let model = quoted(model)?;
    write!(
        text,
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
    )?;
    Ok(text)
}

/// What to try, in the order in which it makes sense.
fn tour(
    running: &Running,
    sim: &str,
    found: Option<&Found>,
    home: &Path,
) -> anyhow::Result<String> {
    let base = format!("http://{}", running.listen);
    let local = match found {
        Some(found) => format!(
            "a real {} on port {} (model {})",
            found.vendor, found.port, found.model
        ),
        None => {
            "simulated too: no Ollama (11434), vLLM (8000) or llama.cpp (8080) answered".to_owned()
        }
    };
    let chat = |key: &str, more: &str, body: &str| {
        format!(
            "curl -sS {more}{base}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n  -d '{body}'\n\n"
        )
    };
    let mut text = String::new();
    write!(
        text,
        "\nyumen 玉门: one endpoint, many models. 文心, 通义 and GLM are SIMULATED here, on their native wire protocols, and say so.\nThe self-hosted model is {local}.\n\nPaste these into another terminal:\n\n# 1. The models that this key may use.\ncurl -sS {base}/v1/models -H 'Authorization: Bearer {KEY}'\n\n"
    )?;
    text += "# 2. A stream. The vendor behind it speaks its own protocol; you see OpenAI's. 流式对话。\n";
    text += &chat(
        KEY,
        "-N ",
        r#"{"model":"tongyi","stream":true,"messages":[{"role":"user","content":"你好,玉门关在哪里?"}]}"#,
    );
    text += "# 3. Personal data: the vendor gets labels, and what may come back is put back in the reply. The mail address stays a label.\n#    个人信息：厂商只收到占位符，回答里还原手机号，邮箱保持占位符。\n";
    text += &chat(
        KEY,
        "-i ",
        r#"{"model":"tongyi","messages":[{"role":"user","content":"我的手机是13800138000,邮箱 zhang.wei@corp.example.com,请复述"}]}"#,
    );
    write!(
        text,
        "#    What the simulated vendors really received. 厂商实际收到的内容：\ncurl -sS {sim}/__sim/requests\n\n"
    )?;
    text += "# 4. A key pasted into a prompt: refused, and nothing left the house. 密钥不出门。\n";
    text += &chat(
        KEY,
        "-i ",
        r#"{"model":"assistant","messages":[{"role":"user","content":"why does this fail? AWS_ACCESS_KEY_ID=AKIAIOSFODNN7QRSTUVW"}]}"#,
    );
    text += "# 5. Source code: only the self-hosted model gets it. 源代码改走自建模型。\n";
    text += &chat(
        KEY,
        "-i ",
        r#"{"model":"assistant","messages":[{"role":"user","content":"Review:\ndef settle(order, ledger):\n    total = 0\n    for line in order.lines:\n        total += line.price * line.count\n    if total > ledger.limit:\n        raise LimitError(order.id)\n    ledger.post(order.id, total)\n    return total\n"}]}"#,
    );
    text += "# 6. A request declared `restricted`: no vendor is cleared for it, so it goes to the self-hosted model.\n#    See x-yumen-verdict and x-yumen-provider. 数据分级为 restricted,自动改走自建模型。\n";
    text += &chat(
        KEY,
        "-i -H 'x-yumen-grade: restricted' ",
        r#"{"model":"assistant","messages":[{"role":"user","content":"our unreleased quarterly figures"}]}"#,
    );
    text += "# 7. A key whose data is always `restricted` asks for a vendor by name: refused, and nothing left the house. 拒绝外发。\n";
    text += &chat(
        KEY_RESTRICTED,
        "-i ",
        r#"{"model":"glm","messages":[{"role":"user","content":"hello"}]}"#,
    );
    text += "# 8. The first vendor hides an error in a 200; you never see it, the next one answers (x-yumen-attempts: 2). 故障转移。\n";
    text += &chat(
        KEY,
        "-i ",
        r#"{"model":"unlucky","messages":[{"role":"user","content":"hello"}]}"#,
    );
    text += "# 9. Tools, translated to and from 文心's legacy API. 工具调用。\n";
    text += &chat(
        KEY,
        "",
        r#"{"model":"wenxin-legacy","messages":[{"role":"user","content":"What is the weather in 北京?"}],"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather of a city","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}"#,
    );
    write!(
        text,
        "# 10. What was counted.\ncurl -sS http://{}/metrics\n\n",
        running.admin
    )?;
    write!(
        text,
        "From Python:  OpenAI(base_url=\"{base}/v1\", api_key=\"{KEY}\")\nEvery request is in the audit log before its first byte goes out:  {} audit show {}\nThe config (edit it, it reloads):  {}\nCtrl-C ends the demo.\n",
        std::env::current_exe().map_or_else(|_| "yumen".into(), |path| path.display().to_string()),
        home.join("audit").display(),
        home.join("yumen.yaml").display()
    )?;
    Ok(text)
}
