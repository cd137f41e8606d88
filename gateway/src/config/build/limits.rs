//! Limits, budgets and prices of a snapshot: meters by name, which a reload finds again.
//!
//! Invariant: what the check accepted has a meter for each limit; `None` means that check and this file disagree.

use policies::limit::Books;
use policies::limit::level::Window;
use policies::limit::line::{Class, Turns};
use policies::limit::meter::{Limit, Meter, OnOutage, Owner, Purse, Unit};
use policies::limit::period::Period;
use std::sync::{Arc, OnceLock};

use crate::config::check::TEAMS_DEEP_MAX;
use crate::config::price::nano;
use crate::config::schema::{self, Budget, Config, Priority, Quota, Team};
use crate::config::snapshot::Room;
use crate::config::zone;

const MINUTE: Window = Window::Rolling(60_000_000_000);
const HOUR: Window = Window::Rolling(3_600_000_000_000);
const DAY: Window = Window::Rolling(86_400_000_000_000);

/// Makes meters.
pub(super) struct Maker<'a> {
    books: &'a Books,
    zone_s: i32,
}

impl<'a> Maker<'a> {
    pub(super) fn new(config: &Config, books: &'a Books) -> Option<Self> {
        Some(Self {
            books,
            zone_s: zone::offset_seconds(&config.state.timezone)?,
        })
    }

    /// Meters of somebody's limits and budget.
    pub(super) fn meters(
        &self,
        owner: &Owner,
        quota: &Quota,
        budget: Option<&Budget>,
    ) -> Option<Vec<Arc<Meter>>> {
        let limits = self.limits(quota, budget)?.into_iter();
        let meter = |limit| self.books.meters.meter(owner.clone(), limit);
        Some(limits.map(meter).collect())
    }

    /// A key's limits and budget.
    #[expect(
        clippy::option_option,
        reason = "as everywhere here, `None` is a disagreement"
    )]
    pub(super) fn purse(&self, quota: &Quota, budget: Option<&Budget>) -> Option<Option<Purse>> {
        let limits = self.limits(quota, budget)?;
        Some(Purse::new(&self.books.meters, &limits))
    }

    /// Limits and budget.
    pub(super) fn limits(&self, quota: &Quota, budget: Option<&Budget>) -> Option<Vec<Limit>> {
        let mut made = Vec::new();
        let on_outage = match quota.on_outage {
            schema::OnOutage::Local => OnOutage::Local,
            schema::OnOutage::Refuse => OnOutage::Refuse,
        };
        for (name, amount) in quota.all() {
            let Some(amount) = amount else { continue };
            let (unit, window) = match name {
                "rpm" => (Unit::Requests, MINUTE),
                "rph" => (Unit::Requests, HOUR),
                "rpd" => (Unit::Requests, DAY),
                "tpm" => (Unit::Tokens, MINUTE),
                "tph" => (Unit::Tokens, HOUR),
                "tpd" => (Unit::Tokens, DAY),
                "concurrent" => (Unit::Concurrent, Window::Held),
                "streams" => (Unit::Streams, Window::Held),
                _ => return None,
            };
            made.push(self.limit(unit, window, amount, (None, on_outage)));
        }
        if let Some(budget) = budget {
            let window = Window::Calendar(match budget.period {
                schema::Period::Day => Period::Day,
                schema::Period::Week => Period::Week,
                schema::Period::Month => Period::Month,
            });
            let money = budget.amount.map(|amount| (Unit::Cost, nano(amount)));
            let tokens = budget.tokens.map(|tokens| (Unit::Tokens, tokens));
            for (unit, amount) in [money, tokens].into_iter().flatten() {
                let soft = u128::from(amount) * u128::from(budget.soft) / 100;
                // What is counted apart can be spent twice: a budget is exact or closed.
                let rest = (u64::try_from(soft).ok(), OnOutage::Refuse);
                made.push(self.limit(unit, window, amount, rest));
            }
        }
        Some(made)
    }

    fn limit(
        &self,
        unit: Unit,
        window: Window,
        amount: u64,
        (soft, on_outage): (Option<u64>, OnOutage),
    ) -> Limit {
        Limit {
            unit,
            window,
            amount,
            soft,
            on_outage,
            zone_s: self.zone_s,
        }
    }
}

/// A team and those above it, the nearest first. The check has seen to it that they end.
pub(super) fn chain<'a>(
    config: &'a Config,
    team: Option<&'a str>,
) -> Option<Vec<(&'a str, &'a Team)>> {
    let mut chain = Vec::new();
    let mut next = team;
    while let Some(name) = next.filter(|_| chain.len() <= TEAMS_DEEP_MAX) {
        let team = config.teams.get(name)?;
        chain.push((name, team));
        next = team.parent.as_deref();
    }
    Some(chain)
}

/// What a vendor allows us of a target. The outer `None`: check and this file disagree.
#[expect(
    clippy::option_option,
    reason = "as everywhere here, `None` is a disagreement"
)]
pub(super) fn room(
    maker: &Maker<'_>,
    config: &Config,
    target: &schema::Target,
) -> Option<Option<Arc<Room>>> {
    let provider = config.providers.get(&target.provider)?;
    if !provider.limits.limits_anything()
        && !target.limits.limits_anything()
        && provider.queue.is_none()
    {
        return Some(None);
    }
    let name = &target.provider;
    let owner = |name: &str| Owner::Provider(name.into());
    let mut limits = maker.meters(&owner(name), &provider.limits, None)?;
    let shared = limits.len();
    let own = owner(&format!("{name}/{}", target.model));
    limits.extend(maker.meters(&own, &target.limits, None)?);
    let queue = provider.queue.unwrap_or_default();
    Some(Some(Arc::new(Room {
        door: maker.books.doors.of(name),
        pen: target.model.as_str().into(),
        limits: limits.into(),
        shared,
        queue_max: queue.max as usize,
        queue_wait: queue.wait.0,
        meters: OnceLock::new(),
    })))
}

/// How those of the first team of a chain wait for providers: no more urgently than any of the chain allows.
pub(super) fn turns(chain: &[(&str, &Team)]) -> Turns {
    let team = chain.first();
    let most = chain.iter().filter_map(|(_, team)| team.priority).max();
    Turns {
        team: team.map(|(name, _)| (*name).into()),
        weight: team.and_then(|(_, team)| team.weight).unwrap_or(1),
        most: most.map(class),
    }
}

/// A priority as lines know it.
pub(super) fn class(priority: Priority) -> Class {
    match priority {
        Priority::High => Class::High,
        Priority::Normal => Class::Normal,
        Priority::Low => Class::Low,
    }
}
