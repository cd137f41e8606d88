//! Whose limits a request counts to, from what the log says of it.
//!
//! Invariant: the same owners as the pipeline charges, under the teams of the running config.

use journal::index::usage::Of;
use policies::limit::meter::Owner;

use crate::config::snapshot::Money;

/// Most teams above each other that are followed; the config check allows fewer.
const TEAMS_DEEP_MAX: usize = 16;

/// Calls `take` with everybody whose limits such a request counts to.
pub(super) fn each_owner(money: &Money, of: &Of<'_>, mut take: impl FnMut(Owner)) {
    let [key, team, user, model, provider, target, _] = *of;
    let mut named = |name: &str, owner: fn(Box<str>) -> Owner| {
        if !name.is_empty() {
            take(owner(name.into()));
        }
    };
    named(key, Owner::Key);
    named(user, Owner::User);
    named(model, Owner::Model);
    named(provider, Owner::Provider);
    if !provider.is_empty() && !target.is_empty() {
        // What a vendor allows us of one model.
        named(&format!("{provider}/{target}"), Owner::Provider);
    }
    for team in chain(money, team) {
        named(team, Owner::Team);
    }
}

/// A team and those above it.
fn chain<'a>(money: &'a Money, team: &'a str) -> impl Iterator<Item = &'a str> {
    let above = |team: &&'a str| money.above.get(*team).map(|above| &**above);
    std::iter::successors(Some(team), above).take(TEAMS_DEEP_MAX)
}

/// The teams whose requests count to `team`: itself and all below it.
#[must_use]
pub fn below<'a>(money: &'a Money, team: &'a str) -> Vec<&'a str> {
    let under = money.above.keys().map(|name| &**name);
    let under = under.filter(|name| *name != team && chain(money, name).any(|above| above == team));
    let mut all: Vec<&str> = std::iter::once(team).chain(under).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_for_all_above_it() {
        let pair = |(team, above): (&str, &str)| (team.into(), above.into());
        let money = Money {
            currency: "CNY".into(),
            zone_s: 0,
            above: [("shop", "sales"), ("sales", "company"), ("lab", "company")]
                .map(pair)
                .into(),
        };
        let mut owners = Vec::new();
        each_owner(&money, &["k", "shop", "", "m", "p", "x", "CNY"], |owner| {
            owners.push(format!("{} {}", owner.level(), owner.name()));
        });
        assert_eq!(
            owners,
            [
                "key k",
                "model m",
                "provider p",
                "provider p/x",
                "team shop",
                "team sales",
                "team company"
            ]
        );
        assert_eq!(below(&money, "sales"), ["sales", "shop"]);
        assert_eq!(
            below(&money, "company"),
            ["company", "lab", "sales", "shop"]
        );
        assert_eq!(below(&money, "alone"), ["alone"]);
    }
}
