//! Configs of good form that make no sense, and exactly what is said of them.

use crate::config::testing::{DEMO_HASH, FULL, built, lines};

fn said(text: &str) -> String {
    match built(text) {
        Ok(built) => lines(&built.warnings),
        Err(problems) => lines(&problems),
    }
}

/// A sound config of one provider, model and key, with `more` in the provider.
fn with_provider(more: &str) -> String {
    format!(
        "providers:\n  p: {{ vendor: {more} }}\nmodels: {{ m: {{ targets: [ {{ provider: p, model: x }} ] }} }}\n\
         keys: [ {{ id: k, hash: \"{DEMO_HASH}\" }} ]\n"
    )
}

/// A sound config around `tail`.
fn with(tail: &str) -> String {
    format!("{}{tail}", with_provider("runtime, base_url: http://h:1"))
}

#[test]
fn a_sound_config_has_no_problem() {
    assert_eq!(said(FULL), "");
    assert_eq!(said(&with("")), "");
}

#[test]
fn providers() {
    for (provider, expected) in [
        ("acme, api_key: k", ""),
        (
            "acme, api_key: unusable",
            "y.yaml:2:6: providers.p: its credential cannot be used: it is made up",
        ),
        (
            "acme",
            "y.yaml:2:6: providers.p: vendor `acme` needs an `api_key`",
        ),
        (
            "twofold, auth: jvt",
            "y.yaml:2:6: providers.p: vendor `twofold` needs an `api_key`\n\
             y.yaml:2:6: providers.p: vendor `twofold` needs a `secret_key`\n\
             y.yaml:2:31: providers.p.auth: vendor `twofold` authenticates by one of: bearer, jwt",
        ),
        (
            "runtime",
            "y.yaml:2:6: providers.p: vendor `runtime` needs a `base_url`",
        ),
        (
            "regional, api_key: k, secret_key: k, region: eu-west-1, session_token: t",
            "",
        ),
        ("regional, api_key: k, auth: bearer, region: eu-west-1", ""),
        // A secret goes to no host that nobody named.
        (
            "regional, api_key: k, secret_key: k, region: eu-west-1, base_url: \"https://10.0.0.1\"",
            "y.yaml:2:82: providers.p.base_url: the secret would go to `https://tokens.eu-west-1.example` for a token, which is no part of this host: say `token_url`",
        ),
        (
            "regional, api_key: k, secret_key: k, region: eu-west-1, base_url: \"https://own.eu-west-1.example\"",
            "",
        ),
        (
            "regional, api_key: k, auth: bearer, region: eu-west-1, token_url: \"https://tokens.example\"",
            "",
        ),
        (
            "regional, api_key: k, auth: bearer, region: eu-west-1, token_url: \"http://tokens.example.com/v3\"",
            "y.yaml:2:82: providers.p.token_url: must end behind the host: the path is the vendor's",
        ),
        (
            "regional, api_key: k, auth: bearer, region: eu-west-1, token_url: \"http://tokens.example.com\"",
            "y.yaml:2:82: warning: providers.p.token_url: plain http to a public host: the key travels unencrypted",
        ),
        (
            "regional, api_key: k, secret_key: k, auth: signed, region: eu-west-1, token_url: \"https://tokens.example\"",
            "y.yaml:2:97: providers.p.token_url: with `auth: signed` no token is fetched: leave it out",
        ),
        (
            "regional, api_key: k, auth: bearer, region: eu-west-1, token_url: \"tokens\"",
            "y.yaml:2:82: providers.p.token_url: the URL must begin with http:// or https://",
        ),
        (
            // What is trusted holds for an own host of the tokens too.
            "regional, api_key: k, auth: bearer, region: eu-west-1, base_url: \"http://10.0.0.1\", token_url: \"https://10.0.0.2\", tls: { server_name: h }",
            "",
        ),
        (
            "acme, api_key: k, token_url: \"https://h\"",
            "y.yaml:2:45: providers.p.token_url: vendor `acme` fetches no tokens elsewhere: leave it out",
        ),
        (
            "regional, api_key: k, region: \"eu/west\"",
            "y.yaml:2:6: providers.p: vendor `regional` needs a `secret_key`\n\
             y.yaml:2:46: providers.p.region: a region is a word like `us-east-1`",
        ),
        (
            "regional, api_key: k, secret_key: k",
            "y.yaml:2:6: providers.p: vendor `regional` needs a `region`",
        ),
        (
            "acne, api_key: k",
            "y.yaml:2:16: providers.p.vendor: there is no vendor `acne`; did you mean `acme`?",
        ),
        (
            "zzz",
            "y.yaml:2:16: providers.p.vendor: there is no vendor `zzz`; known: acme, runtime, twofold, compatible, regional, talker",
        ),
        (
            "acme, api_key: k, clearance: intenal",
            "y.yaml:2:45: providers.p.clearance: there is no grade `intenal`; did you mean `internal`?",
        ),
        (
            "acme, api_key: k, base_url: \"https://u:hunter2@h\"",
            "y.yaml:2:44: providers.p.base_url: the URL must not hold a user or a password: use api_key",
        ),
        (
            "compatible, base_url: \"http://api.example.com\", api_key: k",
            "y.yaml:2:38: warning: providers.p.base_url: plain http to a public host: prompts and the key travel unencrypted",
        ),
        (
            "acme, api_key: k, headers: { Content-Length: \"1\", \"a b\": c }",
            "y.yaml:2:61: providers.p.headers.Content-Length: this header belongs to the protocol and cannot be set\n\
             y.yaml:2:73: providers.p.headers.\"a b\": not the name of a header",
        ),
        (
            "acme, api_key: k, tls: { client_cert: c.pem, insecure_skip_verify_dangerous: true }",
            "y.yaml:2:39: providers.p.tls: `client_cert` and `client_key` go together\n\
             y.yaml:2:93: warning: providers.p.tls.insecure_skip_verify_dangerous: any certificate is accepted: whoever is in between reads everything",
        ),
        (
            "acme, api_key: k, tls: { ca: nowhere.pem }",
            "y.yaml:2:45: providers.p.tls.ca: `nowhere.pem` cannot be read: entity not found",
        ),
        ("talker", ""),
        ("talker, base_url: \"WS://10.0.0.1:9/x\"", ""),
        (
            "talker, base_url: \"ws://talk.example.com\"",
            "y.yaml:2:34: warning: providers.p.base_url: plain http to a public host: prompts and the key travel unencrypted",
        ),
        (
            "acme, api_key: k, base_url: \"wss://h\"",
            "y.yaml:2:44: providers.p.base_url: the URL must begin with http:// or https://",
        ),
        (
            "talker, http2: true",
            "y.yaml:2:31: providers.p.http2: vendor `talker` is spoken with over HTTP/1.1",
        ),
        (
            "runtime, base_url: http://h:1, auth: x, max_connections: 0",
            "y.yaml:2:53: providers.p.auth: vendor `runtime` authenticates in one way only: leave it out\n\
             y.yaml:2:73: providers.p.max_connections: must be at least 1",
        ),
    ] {
        assert_eq!(said(&with_provider(provider)), expected);
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = format!(
        r#"
grades: [public, internal, public]
providers:
  near: {{ vendor: runtime, base_url: "http://h:1" }}
models:
  "a b": {{ targets: [ {{ provider: nera, model: x, weight: 0 }} ] }}
  none: {{ targets: [] }}
  twice: {{ targets: [ {{ provider: near, model: x }}, {{ provider: near, model: x, priority: 2 }} ] }}
teams:
  t: {{ models: [twice, nnoe], grade: internal, limits: {{ rpm: 0 }} }}
keys:
  - {{ id: a, team: t, hash: "ym-planted-plain-key", grade: public }}
  - {{ id: a, team: tt, hash: "{DEMO_HASH}", expires: soon }}
  - {{ id: c, team: t, hash: "{DEMO_HASH}", models: [none] }}
"#
    );
    let expected = "\
y.yaml:2:28: grades[2]: this grade is in the list twice
y.yaml:6:10: models.\"a b\": a model's name is 1 to 256 characters of A-Z a-z 0-9 . _ : / @ -
y.yaml:6:35: models.\"a b\".targets[0].provider: there is no provider `nera`; did you mean `near`?
y.yaml:6:59: models.\"a b\".targets[0].weight: must be 1 to 1000000
y.yaml:7:20: models.none.targets: a model has 1 to 64 targets
y.yaml:8:53: models.twice.targets[1]: the same model of the same provider is a target already
y.yaml:10:24: teams.t.models[1]: there is no model `nnoe`; did you mean `none`?
y.yaml:10:63: teams.t.limits.rpm: must be 1 to 9000000000000000
y.yaml:12:29: keys[0].hash: not `sha256:` and 64 hexadecimal digits; `yumen key create` prints it
y.yaml:12:60: keys[0].grade: a key may only narrow: its team's grade is higher
y.yaml:13:11: keys[1].id: keys[0] has this id already
y.yaml:13:20: keys[1].team: there is no team `tt`; did you mean `t`?
y.yaml:13:114: keys[1].expires: not a date or a time: write 2027-01-01 or 2027-01-01T08:00:00+08:00
y.yaml:14:29: keys[2].hash: keys[1] is the same key
y.yaml:14:113: keys[2].models[0]: a key may only narrow: its team may not ask for this model";
    let got = said(&text);
    assert_eq!(got, expected, "\n{got}");
    assert!(!got.contains("planted"));
}

#[test]
fn warnings() {
    for (text, expected) in [
        (
            "grades: [low, high]\n".to_owned(),
            "y.yaml:1:1: warning: providers: there is no provider: nothing can be answered\n\
             y.yaml:1:1: warning: models: there is no model: nothing can be asked for\n\
             y.yaml:1:1: warning: keys: there is no key: every request is refused, unless the admin API makes some",
        ),
        (
            with("").replace("\" } ]", "\", grade: internal, expires: 2026-11-01 } ]"),
            "y.yaml:3:14: warning: models.m: no provider of it has the clearance for any key that may ask for it\n\
             y.yaml:4:125: warning: keys[0].expires: this key has expired",
        ),
        (
            with("")
                .replace("p, model", "p, priority: 2, model")
                .replace(
                    "models:",
                    "  q: { vendor: runtime, base_url: http://h:2 }\nmodels:",
                ),
            "y.yaml:3:6: warning: providers.q: no model has a target at this provider",
        ),
    ] {
        assert_eq!(said(&text), expected);
    }
}

#[test]
fn the_gateway_itself() {
    for (tail, expected) in [
        (
            "listen: \":8080\"\n",
            "y.yaml:5:9: listen: the host is missing: write 127.0.0.1 for this machine only, 0.0.0.0 for all",
        ),
        (
            "listen: 8080:x\n",
            "y.yaml:5:9: listen: not an address: write host:port, as 127.0.0.1:8080 or [::]:8080",
        ),
        (
            "admin: { listen: 0.0.0.0:9090 }\n",
            "y.yaml:5:18: admin.listen: beyond loopback the admin endpoint needs a token: set admin.token",
        ),
        (
            "admin: { listen: 0.0.0.0:9090, token: t }\n",
            "y.yaml:5:39: warning: admin.token: under 16 characters, and it may do everything for whoever guesses it beyond loopback: `openssl rand -hex 32` makes one",
        ),
        (
            "admin: { listen: 0.0.0.0:9090, token: 0123456789abcdef }\n",
            "",
        ),
        ("admin: { token: t }\n", ""),
        (
            "admin: { listen: 127.0.0.1:8080, hosts: [\"a.b:1\"] }\n",
            "y.yaml:5:18: admin.listen: the admin endpoint needs an address of its own\ny.yaml:5:42: admin.hosts[0]: not the name of a host, without a port",
        ),
        (
            "limits: { header_bytes: 1KiB, json_depth: 1000 }\n",
            "y.yaml:5:9: limits.uri_bytes: must not be more than limits.header_bytes, which it is part of\ny.yaml:5:25: limits.header_bytes: must be 8KiB to 1MiB\ny.yaml:5:43: limits.json_depth: must be 4 to 128",
        ),
        (
            "drain: { accept: 0s, limit: 0s }\n",
            "y.yaml:5:29: drain.limit: must be 1ms to 1d",
        ),
        (
            "stream: { ping: 0s }\nupstream: { retries: 99, timeouts: { idle: 2d } }\n",
            "y.yaml:6:22: upstream.retries: must be 0 to 10\ny.yaml:6:44: upstream.timeouts.idle: must be 1ms to 1d",
        ),
        (
            "tls: { cert: a.pem, key: b.pem }\n",
            "y.yaml:5:14: tls.cert: `a.pem` cannot be read: entity not found\ny.yaml:5:26: tls.key: `b.pem` cannot be read: entity not found",
        ),
        (
            "runtime: { workers: 0 }\naudit: { segment_bytes: 1 }\n",
            "y.yaml:5:21: runtime.workers: must be 1 to 1024\ny.yaml:6:25: audit.segment_bytes: must be 1MiB to 4GiB",
        ),
    ] {
        assert_eq!(said(&with(tail)), expected);
    }
}

#[test]
fn limits_budgets_and_prices() {
    for (tail, expected) in [
        (
            "teams: { t: { limits: { tpm: 0 } } }\n",
            "teams.t.limits.tpm: must be 1 to",
        ),
        (
            "teams: { t: { budget: {} } }\n",
            "teams.t.budget: an `amount`, `tokens`, or both",
        ),
        (
            "teams: { t: { budget: { amount: -1 } } }\n",
            "teams.t.budget.amount: more than 0, up to 9000000",
        ),
        (
            "teams: { t: { budget: { amount: 1, currency: yuan } } }\n",
            "three capital letters",
        ),
        (
            "teams: { t: { budget: { tokens: 5, soft: 0 } } }\n",
            "must be 1 to 100 percent",
        ),
        ("teams: { t: { parent: t } }\n", "this team is above itself"),
        (
            "teams: { t: { parent: u }, u: { parent: t } }\n",
            "teams.t.parent: this team is above itself",
        ),
        ("teams: { tt: { parent: tu } }\n", "there is no team `tu`"),
        (
            "state: { store: \"mongodb://h\" }\n",
            "`memory`, or an address",
        ),
        ("state: { timeout: 10s }\n", "must be 1ms to 5s"),
        ("state: { timezone: Mars/Base }\n", "unknown zone"),
    ] {
        let said = said(&with(tail));
        assert!(said.contains(expected), "{tail}: {said}");
    }
    let priced = |price: &str, budget: &str| {
        let text = with(budget).replace("targets:", &format!("price: {price}, targets:"));
        said(&text)
    };
    let ours = "teams: { t: { budget: { amount: 1 } } }\n";
    assert_eq!(priced("{ input: 1, output: 2, currency: CNY }", ours), "");
    let said = priced("{ input: 1, output: 2, currency: USD }", ours);
    assert!(said.contains("is charged in USD"), "{said}");
}

#[test]
fn no_message_holds_what_a_variable_held() {
    for text in [
        with_provider("\"${KEY}\""),
        with_provider("acme, api_key: k, clearance: \"${KEY}\""),
        with_provider("acme, api_key: k, base_url: \"${KEY}\""),
        with_provider("acme, api_key: k, tls: { ca: \"${KEY}\" }"),
        with_provider("twofold, api_key: k, secret_key: k, auth: \"${KEY}\""),
        with("teams: { t: { models: [\"${KEY}\"], grade: \"${KEY}\" } }\n"),
        with("listen: \"${KEY}\"\n"),
        with("tls: { cert: \"${KEY}\", key: \"${KEY}\" }\n"),
        with("").replace("id: k", "id: k, team: \"${KEY}\", expires: \"${KEY}\""),
        with("").replace("provider: p", "provider: \"${KEY}\""),
    ] {
        let said = said(&text);
        assert!(!said.is_empty() && !said.contains("planted"), "{said}");
    }
}

#[test]
fn the_log_is_kept_for_as_long_as_the_law_asks() {
    for (audit, told) in [
        (
            "retention: 90d",
            "audit.retention: must not be less than audit.retention_min, which is 180d",
        ),
        (
            "retention: 30d, retention_min: 30d",
            "(Cybersecurity Law, article 21)",
        ),
        ("retention: 400000d", "audit.retention: must be"),
        (
            "payload_retention: 200d",
            "bodies do not outlive their records",
        ),
        ("max_bytes: 1MiB", "audit.max_bytes: must be at least 1GiB"),
    ] {
        let found = said(&with(&format!("audit: {{ {audit} }}\n")));
        assert!(found.contains(told), "{audit}: {found}");
    }
}

#[test]
fn a_price_is_a_number_with_a_currency() {
    for (price, told) in [
        (
            "{ input: 1, output: -2, currency: CNY }",
            "targets[1].price.output: a price is 0 to",
        ),
        (
            "{ input: 1, output: .inf, currency: CNY }",
            "non-finite float",
        ),
        (
            "{ input: 1, output: 2, currency: yuan }",
            "price.currency: a currency is three capital letters",
        ),
    ] {
        let text = FULL.replace("weight: 3", &format!("weight: 3, price: {price}"));
        let found = said(&text);
        assert!(found.contains(told), "{price}: {found}");
    }
}

#[test]
fn scopes_only_narrow() {
    let text = with(
        r#"teams:
  firm: { models: [m], networks: [10.0.0.0/8], grade: internal, hours: { days: [mon..fri], from: "08:00", to: "20:00" } }
  desk: { parent: firm, models: [m, n], networks: [10.1.0.0/16, 0.0.0.0/0], grade: public, endpoints: [/v1/messages] }
"#,
    )
    .replace(
        "models: { m: {",
        "models: { n: { targets: [ { provider: p, model: y } ] }, m: {",
    )
    .replace(
        "keys: [",
        r#"keys: [ { id: d, team: desk, hash: "sha256:54e4424b7a9b1cfdd30ec74c0841af11641fe04e2587f795b07ccb7d62c3c47f", models: [n],
      endpoints: [/v1/messages/count_tokens, /v1/messages], networks: [10.2.0.1], hours: [ { from: "08:00", to: "20:00" } ] },"#,
    );
    let expected = r#"y.yaml:4:120: keys[0].models[0]: a key may only narrow: its team may not ask for this model
y.yaml:5:19: keys[0].endpoints[0]: a key may only narrow: its team may not ask at this path
y.yaml:5:90: keys[0].hours: a key may only narrow: its team may not ask at all of these times
y.yaml:8:37: teams.desk.models[1]: a team may only narrow: its parent may not ask for this model
y.yaml:8:65: teams.desk.networks[1]: a team may only narrow: its parent may not ask from all of this network
y.yaml:8:84: teams.desk.grade: a team may only narrow: its parent's grade is higher"#;
    let got = said(&text);
    assert_eq!(got, expected, "\n{got}");
}

#[test]
fn scopes_that_cannot_be_read() {
    for (more, expected) in [
        (
            "endpoints: [/v1/mesages]",
            "keys[0].endpoints[0]: no path of the data endpoint; did you mean `/v1/messages`?",
        ),
        (
            "networks: [10.0.0.1/8]",
            "keys[0].networks[0]: has bits beyond its length: did you mean 10.0.0.0/8?",
        ),
        (
            "networks: [office]",
            "keys[0].networks[0]: not a network: write 10.0.0.0/8, 2001:db8::/32 or an address",
        ),
        (
            "hours: { days: [monday] }",
            "keys[0].hours.days[0]: not a day: write mon, tue, wed, thu, fri, sat, sun or mon..fri",
        ),
        (
            "hours: [ { from: \"08:00\" }, { from: \"8\" } ]",
            "keys[0].hours[1].from: not a time of day: write \"08:00\", up to \"24:00\"",
        ),
        (
            "hours: { from: \"08:00\", to: \"08:00\" }",
            "keys[0].hours.to: no time lies between `from` and `to`",
        ),
        ("hours: []", "keys[0].hours: names no time"),
    ] {
        let text = with("").replace("{ id: k,", &format!("{{ id: k, {more},"));
        let got = said(&text);
        let first = got.lines().next().unwrap_or_default();
        let (place, rest) = first.split_once(": ").unwrap_or_default();
        assert_eq!(rest, expected, "{got}");
        assert!(place.starts_with("y.yaml:4:"), "{got}");
    }
    let got = said(&format!("trusted_proxies: [10.0.0.0/8, x]\n{}", with("")));
    assert!(
        got.starts_with("y.yaml:1:31: trusted_proxies[1]: not a network"),
        "{got}"
    );
}

#[test]
fn an_admins_token_is_no_key() {
    let got = said(&with("admin: { token: ym-demo }\n"));
    let expected =
        "y.yaml:5:17: admin.token: keys[0] is the same: who asks models is not who administers";
    assert_eq!(got, expected);
    let got = said(&with("teams: { \"..\": {} }\n"));
    assert!(
        got.ends_with("a name is more than dots: nobody could ask for it"),
        "{got}"
    );
}

#[test]
fn duties_are_separate() {
    let other = "sha256:54e4424b7a9b1cfdd30ec74c0841af11641fe04e2587f795b07ccb7d62c3c47f";
    let third = other.replace("sha256:5", "sha256:6");
    let text = with(&format!(
        r#"separate_duties: true
admin:
  token: everything-in-one
  tokens:
    - {{ name: li, role: auditor, hash: "{other}" }}
    - {{ name: li, role: operator, hash: "{third}" }}
    - {{ name: wu, role: security, hash: "{DEMO_HASH}" }}
    - {{ name: wu, role: viewer, hash: "{other}", teams: [nobody] }}
"#
    ));
    let expected = "\
y.yaml:7:10: admin.token: may do everything, and `separate_duties` forbids that: give each duty a token in admin.tokens
y.yaml:10:25: admin.tokens[1].role: this name has another duty already, and `separate_duties` is set
y.yaml:11:41: admin.tokens[2].hash: keys[0] is the same: who asks models is not who administers
y.yaml:12:39: admin.tokens[3].hash: admin.tokens[0] is the same token
y.yaml:12:122: admin.tokens[3].teams[0]: there is no team `nobody`";
    let got = said(&text);
    assert_eq!(got, expected, "\n{got}");
}
