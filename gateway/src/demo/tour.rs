//! What to try in the demo: commands to paste, and what to see in their answers.
//!
//! Invariant: every command works as it is printed, with no tool but curl.

use std::fmt::Write as _;
use std::path::Path;

use super::{Found, KEY, KEY_RESTRICTED};
use crate::serve::Running;

/// One chat to try.
struct Try {
    /// What it shows, as a comment of the shell.
    says: &'static str,
    /// Whose key asks.
    key: &'static str,
    /// Options of curl, each with a space behind it.
    options: &'static str,
    /// The request.
    body: &'static str,
}

impl Try {
    /// The command, for a gateway at `base`.
    fn shown(&self, base: &str) -> String {
        let Self {
            says,
            key,
            options,
            body,
        } = self;
        format!(
            "{says}curl -sS {options}{base}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n  -d '{body}'\n\n"
        )
    }
}

/// Before a look at what the vendors received.
const FIRST: [Try; 2] = [
    Try {
        says: "# 2. A stream. The vendor behind it speaks its own protocol; you see OpenAI's. 流式对话。\n",
        key: KEY,
        options: "-N ",
        body: r#"{"model":"tongyi","stream":true,"messages":[{"role":"user","content":"你好,玉门关在哪里?"}]}"#,
    },
    Try {
        says: "# 3. Personal data: the vendor gets labels, and what may come back is put back in the reply. The mail address stays a label.\n#    个人信息：厂商只收到占位符，回答里还原手机号，邮箱保持占位符。\n",
        key: KEY,
        options: "-i ",
        body: r#"{"model":"tongyi","messages":[{"role":"user","content":"我的手机是13800138000,邮箱 zhang.wei@corp.example.com,请复述"}]}"#,
    },
];

/// After it.
const NEXT: [Try; 6] = [
    Try {
        says: "# 4. A key pasted into a prompt: refused, and nothing left the house. 密钥不出门。\n",
        key: KEY,
        options: "-i ",
        body: r#"{"model":"assistant","messages":[{"role":"user","content":"why does this fail? AWS_ACCESS_KEY_ID=AKIAIOSFODNN7QRSTUVW"}]}"#,
    },
    Try {
        says: "# 5. Source code: only the self-hosted model gets it. 源代码改走自建模型。\n",
        key: KEY,
        options: "-i ",
        body: r#"{"model":"assistant","messages":[{"role":"user","content":"Review:\ndef settle(order, ledger):\n    total = 0\n    for line in order.lines:\n        total += line.price * line.count\n    if total > ledger.limit:\n        raise LimitError(order.id)\n    ledger.post(order.id, total)\n    return total\n"}]}"#,
    },
    Try {
        says: "# 6. A request declared `restricted`: no vendor is cleared for it, so it goes to the self-hosted model.\n#    See x-yumen-verdict and x-yumen-provider. 数据分级为 restricted,自动改走自建模型。\n",
        key: KEY,
        options: "-i -H 'x-yumen-grade: restricted' ",
        body: r#"{"model":"assistant","messages":[{"role":"user","content":"our unreleased quarterly figures"}]}"#,
    },
    Try {
        says: "# 7. A key whose data is always `restricted` asks for a vendor by name: refused, and nothing left the house. 拒绝外发。\n",
        key: KEY_RESTRICTED,
        options: "-i ",
        body: r#"{"model":"glm","messages":[{"role":"user","content":"hello"}]}"#,
    },
    Try {
        says: "# 8. The first vendor hides an error in a 200; you never see it, the next one answers (x-yumen-attempts: 2). 故障转移。\n",
        key: KEY,
        options: "-i ",
        body: r#"{"model":"unlucky","messages":[{"role":"user","content":"hello"}]}"#,
    },
    Try {
        says: "# 9. Tools, translated to and from 文心's legacy API. 工具调用。\n",
        key: KEY,
        options: "",
        body: r#"{"model":"wenxin-legacy","messages":[{"role":"user","content":"What is the weather in 北京?"}],"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather of a city","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}"#,
    },
];

/// What to try, in the order in which it makes sense.
pub(super) fn tour(
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
    let mut text = String::new();
    write!(
        text,
        "\nyumen 玉门: one endpoint, many models. 文心, 通义 and GLM are SIMULATED here, on their native wire protocols, and say so.\nThe self-hosted model is {local}.\n\nPaste these into another terminal:\n\n# 1. The models that this key may use.\ncurl -sS {base}/v1/models -H 'Authorization: Bearer {KEY}'\n\n"
    )?;
    for step in &FIRST {
        text += &step.shown(&base);
    }
    write!(
        text,
        "#    What the simulated vendors really received. 厂商实际收到的内容：\ncurl -sS {sim}/__sim/requests\n\n"
    )?;
    for step in &NEXT {
        text += &step.shown(&base);
    }
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
