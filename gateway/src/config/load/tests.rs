//! What people mistype and what they are told, and that no secret is told.

use super::*;

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk-from-env".into()),
        "N" => Some("7".into()),
        "RATE" => Some("7.25".into()),
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
            "y.yaml:1:23: limits.body_bytes: not a size: write bytes, or a number and KiB, MiB or GiB\n\
             y.yaml:1:41: limits.json_depth: out of range: expected u32",
        ),
        // All of them, in whatever section, and nothing that only follows from them.
        (
            "overload: { max_inflight: many, speed: 1 }\nlog: { level: loud, format: 7 }\n\
             providers: { p: { vendor: [], http2: 3 }, q: { http2: x } }\n\
             models: { m: { targets: [ { provider: 1, model: 2 }, { model: x } ], lossy: never } }\nlimits: { json_depth: 4.5 }\n",
            "y.yaml:1:27: overload.max_inflight: expected a whole number, found text\n\
             y.yaml:1:33: overload.speed: unknown key; known here: max_inflight\n\
             y.yaml:2:15: log.level: `loud` is unknown; known: error, warn, info, debug, trace\n\
             y.yaml:2:29: log.format: expected text: put the value in quotes\n\
             y.yaml:3:27: providers.p.vendor: expected text, found a list\n\
             y.yaml:3:38: providers.p.http2: expected true or false\n\
             y.yaml:3:46: providers.q: `vendor` is missing\n\
             y.yaml:3:55: providers.q.http2: expected true or false\n\
             y.yaml:4:39: models.m.targets[0].provider: expected text: put the value in quotes\n\
             y.yaml:4:49: models.m.targets[0].model: expected text: put the value in quotes\n\
             y.yaml:4:54: models.m.targets[1]: `provider` is missing\n\
             y.yaml:4:77: models.m.lossy: `never` is unknown; known: refuse, drop\n\
             y.yaml:5:23: limits.json_depth: expected a whole number, found a number",
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
    let text = "prices: { currency: CNY, rates: { USD: \"${RATE}\" } }\nteams: { t: { budget: { amount: \"${N}\" } } }\n";
    let config = load_text("y.yaml", text, Path::new(""), &env);
    let config = config.unwrap().config;
    assert_eq!(config.prices.rates.get("USD"), Some(&7.25));
    let budget = config.teams.get("t").unwrap().budget.as_ref().unwrap();
    assert_eq!(budget.amount, Some(7.0));
    for (number, said) in [
        ("${KEY}", "expected a number; the variable holds none"),
        ("${INF:-inf}", "expected a number; the variable holds none"),
        ("7", "expected a number, found text"),
    ] {
        let said_of = errors(&format!(
            "teams: {{ t: {{ budget: {{ amount: \"{number}\" }} }} }}\n"
        ));
        assert_eq!(
            said_of,
            format!("y.yaml:1:33: teams.t.budget.amount: {said}")
        );
    }
}

#[test]
fn what_a_variable_leaves_empty_counts_as_absent() {
    let text = "listen: ${NONE:-}\nlog: { level: \"${NONE:-}\" }\naudit: { dir: \"${NONE:-}\" }\ndrain: { limit: \"${NONE:-}\" }\n\
                providers: { p: { vendor: v, discover: \"${NONE:-}\", headers: { x-a: \"${NONE:-}\" } } }\n";
    let config = load_text("y.yaml", text, Path::new(""), &env);
    let config = config.unwrap().config;
    let default = Config::default();
    assert_eq!(config.listen, default.listen);
    assert_eq!(config.log.level, default.log.level);
    assert_eq!(config.audit.dir, default.audit.dir);
    assert_eq!(config.drain.limit, default.drain.limit);
    assert!(config.providers.get("p").unwrap().headers.is_empty());
    let said = errors("providers: { p: { vendor: \"${NONE:-}\" } }\ngrades: [ \"${NONE:-}\" ]\n");
    assert_eq!(
        said,
        "y.yaml:1:17: providers.p: `vendor` is missing\n\
         y.yaml:2:11: grades[0]: expected text, found nothing"
    );
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
