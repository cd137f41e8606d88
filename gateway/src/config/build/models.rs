//! Models and their targets, with what they may use and how long they may take.
//!
//! Invariant: targets are in the order in which they are tried, and within a priority in that of the file.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::policies::limit::Books;
use ::policies::limit::meter::Owner;

use super::limits;
use crate::config::schema::{self, Config};
use crate::config::snapshot::{Clocks, Model, Named, Provider, Target};
use crate::config::units::Span;

/// The five clocks' defaults (threat model, section 3; a gap within content is bounded like the first).
pub(super) const CLOCKS: Clocks = Clocks {
    connect: Duration::from_secs(5),
    first_content: Duration::from_secs(300),
    content_gap: Duration::from_secs(300),
    idle: Duration::from_secs(300),
    total: Duration::from_secs(3600),
};

/// Every model of the config, by its name.
pub(super) fn all(
    config: &Config,
    providers: &[Arc<Provider>],
    books: &Books,
) -> Option<HashMap<Box<str>, Arc<Model>>> {
    let maker = limits::Maker::new(config, books)?;
    let base = with(CLOCKS, config.upstream.timeouts);
    let mut models = HashMap::with_capacity(config.models.len());
    for (name, from) in &config.models {
        let mut targets = Vec::with_capacity(from.targets.len());
        for target in &from.targets {
            let provider = providers.iter().find(|p| *p.name == *target.provider)?;
            targets.push(Target {
                provider: Arc::clone(provider),
                model: target.model.as_str().into(),
                weight: target.weight,
                priority: target.priority,
                price: config
                    .price(from, target)
                    .map(|list| config.built_price(list)),
                filing: target.filing.as_deref().map(Into::into),
                shown: [Named::new(&provider.name), Named::new(&target.model)],
                meters: OnceLock::new(),
                heads: provider.no_heads(),
                room: limits::room(&maker, config, target)?,
            });
        }
        // Stable: within a priority the file's order stays.
        targets.sort_by_key(|target| target.priority);
        let model = Model {
            name: name.as_str().into(),
            targets,
            lossy: match from.lossy {
                None => adapters::Lossy::Hints,
                Some(schema::Lossy::Refuse) => adapters::Lossy::Refuse,
                Some(schema::Lossy::Drop) => adapters::Lossy::Drop,
            },
            clocks: with(base, from.timeouts),
            meters: maker
                .meters(&Owner::Model(name.as_str().into()), &from.limits, None)?
                .into(),
            learnt: books.lessons.of(name),
            payload: from.payload.unwrap_or(config.audit.payload),
        };
        models.insert(name.as_str().into(), Arc::new(model));
    }
    Some(models)
}

/// Clocks of their own over those of all.
pub(super) fn with(base: Clocks, over: schema::CallTimeouts) -> Clocks {
    let pick = |over: Option<Span>, base| over.map_or(base, |span| span.0);
    Clocks {
        connect: pick(over.connect, base.connect),
        first_content: pick(over.first_content, base.first_content),
        content_gap: pick(over.content_gap, base.content_gap),
        idle: pick(over.idle, base.idle),
        total: pick(over.total, base.total),
    }
}
