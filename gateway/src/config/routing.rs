//! The routing table in words: what `yumen check` prints and the admin API shows.
//!
//! Made from a snapshot, so that both show what traffic sees. Holds no secret: of a provider it has the name, the vendor
//! and the place, neither URL nor credential.

use std::fmt;

use serde::Serialize;

use super::snapshot::{Location, Snapshot};

/// All models with their targets.
#[derive(Debug, Serialize)]
pub struct Routing {
    /// Grades, the least sensitive first.
    pub grades: Vec<String>,
    /// Models, sorted by name.
    pub models: Vec<Route>,
    /// How many keys may ask.
    pub keys: usize,
}

/// One model.
#[derive(Debug, Serialize)]
pub struct Route {
    /// Its name.
    pub model: String,
    /// Its targets in the order they are tried.
    pub targets: Vec<Stop>,
}

/// One target.
#[derive(Debug, Serialize)]
pub struct Stop {
    /// 1 is tried first.
    pub priority: u32,
    /// Share within its priority.
    pub weight: u32,
    /// The provider.
    pub provider: String,
    /// What the provider calls the model.
    pub model: String,
    /// The provider's vendor.
    pub vendor: &'static str,
    /// Where the provider is.
    pub location: Location,
    /// The highest grade that may be sent there.
    pub clearance: String,
}

impl Routing {
    /// The table of `snapshot`.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let route = |name: &str| {
            let model = snapshot.models.get(name)?;
            let stop = |target: &super::snapshot::Target| Stop {
                priority: target.priority,
                weight: target.weight,
                provider: target.provider.name.to_string(),
                model: target.model.to_string(),
                vendor: target.provider.vendor,
                location: target.provider.location,
                clearance: snapshot.grades.name(target.provider.clearance).to_owned(),
            };
            Some(Route {
                model: name.to_owned(),
                targets: model.targets.iter().map(stop).collect(),
            })
        };
        Self {
            grades: snapshot.grades.names().map(str::to_owned).collect(),
            models: snapshot
                .model_names()
                .into_iter()
                .filter_map(route)
                .collect(),
            keys: snapshot.keys.len(),
        }
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "grades: {}", self.grades.join(" < "))?;
        let widest = |of: fn(&Stop) -> usize| {
            let stops = self.models.iter().flat_map(|route| &route.targets);
            stops.map(of).max().unwrap_or(0)
        };
        let provider = widest(|s| s.provider.len());
        let model = widest(|s| s.model.len());
        let vendor = widest(|s| s.vendor.len());
        let location = widest(|s| s.location.as_str().len());
        for route in &self.models {
            writeln!(f, "{}", route.model)?;
            for stop in &route.targets {
                writeln!(
                    f,
                    "  {:>2}. {:provider$}  {:model$}  {:vendor$}  {:location$}  up to {}, weight {}",
                    stop.priority,
                    stop.provider,
                    stop.model,
                    stop.vendor,
                    stop.location.as_str(),
                    stop.clearance,
                    stop.weight,
                )?;
            }
        }
        writeln!(f, "keys: {}", self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{FULL, built};

    #[test]
    fn reads_as_a_table() {
        let routing = Routing::of(&built(FULL).unwrap().snapshot);
        assert_eq!(
            routing.to_string(),
            "grades: public < internal < confidential < restricted\n\
             assistant\n   1. far    max    acme     overseas     up to internal, weight 3\n   \
             1. other  plus   twofold  domestic     up to public, weight 1\n   \
             3. near   qwen   runtime  self_hosted  up to restricted, weight 1\n\
             small\n   1. near   small  runtime  self_hosted  up to restricted, weight 1\n\
             keys: 2\n"
        );
        let json = serde_json::to_string(&routing).unwrap();
        assert!(json.contains(r#""location":"self_hosted""#) && !json.contains("planted"));
    }
}
