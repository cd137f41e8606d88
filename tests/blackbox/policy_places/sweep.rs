//! Values planted in every place of a dialect's requests, before vendors of its own and of others: none leaves.

use super::places::V;
use super::{DISGUISES, check_received, redacting};
use tests::planted::{Planter, plain, seen, to_base64};
use tests::*;

/// A place where text can stand.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    /// Members of the body.
    pub(crate) body: Value,
    /// The value is a bare number.
    pub(crate) number: bool,
    /// The value stands in a file in base64.
    pub(crate) file: bool,
    /// The gateway itself takes no such request, so nobody receives it.
    pub(crate) refused: bool,
    /// The simulated model repeats it.
    pub(crate) echoed: bool,
}

pub(crate) fn at(name: &'static str, body: Value) -> Place {
    Place {
        name,
        body,
        number: false,
        file: false,
        refused: false,
        echoed: false,
    }
}

pub(crate) fn echoed(place: Place) -> Place {
    Place {
        echoed: true,
        ..place
    }
}

pub(crate) fn number(place: Place) -> Place {
    Place {
        number: true,
        ..place
    }
}

pub(crate) fn refused(place: Place) -> Place {
    Place {
        refused: true,
        ..place
    }
}

/// A dialect's requests.
pub(crate) struct Asked {
    pub(crate) path: &'static str,
    /// A body without anything in it but what must be.
    pub(crate) base: Value,
    /// Who answers, its own vendor first.
    pub(crate) before: &'static [&'static str],
    pub(crate) places: Vec<Place>,
    pub(crate) seed: u64,
}

fn body(asked: &Asked, place: &Place, model: &str, stream: bool, written: &str) -> String {
    let mut body = asked.base.clone();
    body["model"] = model.into();
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

pub(crate) async fn nothing_leaves(asked: Asked) {
    let sim = sim().await;
    let own = asked.before[0];
    let mut config = Config::with(&sim, asked.before.iter().copied());
    for vendor in asked.before {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    config.set("policies", redacting());
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(asked.seed);
    let (mut turn, mut wrong) = (0, Vec::new());
    for place in &asked.places {
        let mut reached = Vec::new();
        for vendor in asked.before {
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
                    to_base64(format!("name,phone\n某人,{value}\n").as_bytes())
                } else {
                    write(&value)
                };
                sim.clear();
                let body = body(&asked, place, &format!("m-{vendor}"), stream, &written);
                let what = format!(
                    "{} at {vendor}, {disguise}, stream: {stream}, {value}: {body}",
                    place.name
                );
                let ask = Ask::post(gateway.listen, asked.path).key(KEY).bytes(body);
                let reply = ask.send().await;
                if check_received(&sim, &planter, &what, &mut wrong) > 0 {
                    reached.push(*vendor);
                    let last = sim.requests().last().unwrap().body.clone();
                    let sent = String::from_utf8_lossy(&last).into_owned();
                    if *vendor == own && !place.file && !sent.contains("_1>") {
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
        if reached.contains(&own) == place.refused {
            wrong.push(format!("{} reached {reached:?}", place.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    gateway.assert_sound();
    assert!(seen(gateway.log().as_bytes(), planter.made()).is_empty());
}
