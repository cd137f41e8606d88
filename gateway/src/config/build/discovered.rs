//! Models that providers have beyond those of the config, as models of the snapshot.
//!
//! Invariants: a name of the config stays what the config says; a model that several providers have is one, with all of them
//! as targets; nothing of a provider that does not say `discover` is used.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use policies::limit::Books;

use super::models::{CLOCKS, with};
use super::{Found, limits};
use crate::config::schema::{self, Config};
use crate::config::snapshot::{Model, Named, Provider, Target};

type Models = HashMap<Box<str>, Arc<Model>>;

/// Adds what was found.
pub(super) fn join(
    config: &Config,
    found: &Found,
    providers: &[Arc<Provider>],
    mut models: Models,
    books: &Books,
) -> Option<Models> {
    let maker = limits::Maker::new(config, books)?;
    let mut targets: HashMap<&str, Vec<Target>> = HashMap::new();
    let currency = config.currency();
    for (provider, names) in found {
        let Some(from) = config.providers.get(&**provider).filter(|p| p.discover) else {
            continue;
        };
        let provider = providers.iter().find(|known| known.name == *provider)?;
        for name in names
            .iter()
            .filter(|name| !config.models.contains_key(&***name))
        {
            let price = config.prices.find(&from.vendor, name);
            let written = schema::Target {
                provider: provider.name.to_string(),
                model: name.to_string(),
                weight: 1,
                priority: 1,
                price: None,
                filing: None,
                limits: schema::Quota::default(),
            };
            targets.entry(name).or_default().push(Target {
                provider: Arc::clone(provider),
                model: name.clone(),
                weight: 1,
                priority: 1,
                price: price
                    .map(|list| config.built_price(list))
                    .filter(|price| *price.currency == *currency),
                filing: None,
                shown: [Named::new(&provider.name), Named::new(name)],
                meters: OnceLock::new(),
                heads: provider.no_heads(),
                room: limits::room(&maker, config, &written)?,
            });
        }
    }
    for (name, targets) in targets {
        let model = Model {
            name: name.into(),
            targets,
            lossy: adapters::Lossy::Hints,
            clocks: with(CLOCKS, config.upstream.timeouts),
            meters: [].into(),
            learnt: books.lessons.of(name),
            payload: config.audit.payload,
        };
        models.insert(name.into(), Arc::new(model));
    }
    Some(models)
}
