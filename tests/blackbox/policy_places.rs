//! Every place of a request where text can stand, every dialect of an upstream: what a rule redacts is in nothing that an
//! upstream received, in whatever disguise, and what the upstream got is still JSON.
//!
//! T-60 and T-61. Values are planted one by one, so that a leak names its place, its disguise and its vendor.

mod beside;
mod completions;
mod gemini;
mod messages;
mod native;
mod places;
mod responses;
mod roads;
mod sweep;
mod unread;

use places::{Place, V, places};
use tests::planted::{Planter, escaped, fullwidth, plain, seen, zero_width};
use tests::*;

/// Writes a value into the JSON text of a body.
type Write = fn(&str) -> String;

/// How values are written.
const DISGUISES: [(&str, Write); 6] = [
    ("plain", str::to_owned),
    ("escaped", escaped),
    ("fullwidth", fullwidth),
    ("zero width", zero_width),
    ("escaped fullwidth", |value| escaped(&fullwidth(value))),
    ("half escaped", |value| {
        format!("{}{}", &value[..3], escaped(&value[3..]))
    }),
];

/// What every request of these tests is judged by.
pub(crate) fn redacting() -> Value {
    json!({
        "media": "internal",
        "rules": [
            {"name": "no-secrets", "find": ["SECRET"], "remedy": "redact"},
            {"name": "no-persons", "find": ["PERSON", "CONTACT", "FINANCIAL"], "remedy": "redact", "restore": true},
        ],
    })
}

/// All vendors, cleared for nothing that is found.
fn config(sim: &Sim) -> Config {
    let mut config = Config::all(sim);
    for (vendor, _) in VENDORS {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    config.set("policies", redacting());
    config
}

/// The body of a place with a value in it: JSON text, with the value as it is to be written.
fn body(place: &Place, model: &str, stream: bool, written: &str) -> String {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    if stream {
        body["stream"] = true.into();
    }
    for (key, value) in place.body.as_object().unwrap() {
        body[key] = value.clone();
    }
    let text = body.to_string();
    if place.number {
        return text.replace(&format!("\"{V}\""), written);
    }
    text.replace(V, written)
}

fn check_received(sim: &Sim, planter: &Planter, what: &str, wrong: &mut Vec<String>) -> usize {
    let received = sim.requests();
    for request in &received {
        let head = format!("{} {:?}", request.path_and_query, request.headers);
        let leaked = seen(&request.body, planter.made());
        let sent = String::from_utf8_lossy(&request.body);
        if !leaked.is_empty() {
            wrong.push(format!("{what}: {leaked:?} went out: {sent}"));
        }
        if !seen(head.as_bytes(), planter.made()).is_empty() {
            wrong.push(format!("{what}: {head}"));
        }
        if !request.surface.ends_with("-token") {
            let json: Result<Value, _> = serde_json::from_slice(&request.body);
            if json.is_err() {
                wrong.push(format!("{what}: no JSON went out: {sent}"));
            }
        }
    }
    received
        .iter()
        .filter(|request| !request.surface.ends_with("-token"))
        .count()
}

/// Places × disguises × vendors × streamed or not: more than a thousand values.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_leaves_from_any_place_in_any_dialect() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let mut planter = Planter::new(0x5EED_0001);
    let mut turn = 0;
    let mut wrong = Vec::new();
    for place in places() {
        let mut reached = Vec::new();
        for &(vendor, _) in VENDORS {
            for stream in [false, true] {
                let value = if place.number {
                    [Planter::mobile, Planter::id_card][turn % 2](&mut planter)
                } else {
                    planter.any()
                };
                let (disguise, write) = if place.number || place.file {
                    ("plain", DISGUISES[0].1)
                } else {
                    DISGUISES[turn % DISGUISES.len()]
                };
                turn += 1;
                let written = if place.file {
                    planted::to_base64(format!("name,phone\n某人,{value}\n").as_bytes())
                } else {
                    write(&value)
                };
                sim.clear();
                let body = body(&place, &format!("m-{vendor}"), stream, &written);
                let what = format!(
                    "{} at {vendor}, {disguise}, stream: {stream}, {value}: {body}",
                    place.name
                );
                let reply = Ask::post(gateway.listen, "/v1/chat/completions")
                    .key(KEY)
                    .bytes(body)
                    .send()
                    .await;
                if check_received(&sim, &planter, &what, &mut wrong) > 0 {
                    reached.push(vendor);
                    let last = sim.requests().last().unwrap().body.clone();
                    let sent = String::from_utf8_lossy(&last).into_owned();
                    if vendor == "openai" && !place.file && !sent.contains("_1>") {
                        wrong.push(format!("{what}: no label: {sent}"));
                    }
                    if reply.header("x-yumen-verdict") != Some("redact") {
                        wrong.push(format!("{what}: {:?}", reply.headers));
                    }
                }
                // A secret is never put back.
                let back = plain(&reply.text()).contains(&plain(&value));
                if place.echoed && back == value.starts_with("AKIA") {
                    wrong.push(format!("{what}: {}", reply.text()));
                }
            }
        }
        if !(reached.contains(&"openai") && reached.contains(&"vllm")) {
            wrong.push(format!("{} reached only {reached:?}", place.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(planter.made().len() >= 1000, "{}", planter.made().len());
    gateway.assert_sound();
    let log = gateway.log();
    assert!(seen(log.as_bytes(), planter.made()).is_empty());
}
