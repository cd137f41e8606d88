//! Limits in the shared store: what is sent, and what an answer means.
//!
//! Names of keys: `{prefix}:m:<meter>` (calendar limits: `:<begin of the period, Unix ms>` behind it), `{prefix}:l:<lease>`.
//! All begin with one hash tag: a request's keys share a slot of a cluster, at the price that all limits live on one of its
//! nodes: the others are there for when it fails.
//!
//! Must never wait longer than the store's timeout. Invariant: a reservation of which nobody knows whether it was made is
//! settled as unused, which the store ignores if it was not.

use std::sync::Arc;
use std::time::Duration;

use policies::limit::level::{Now, Standing, Window};
use policies::limit::meter::{self, Charge, Limit, Limited, Meter, Reserved, Unit, Used};
use redis::ScriptInvocation;
use smallvec::SmallVec;
use tokio::time::timeout;

use crate::link::Link;
use crate::store::Connection;

/// How long what is held outlives the replica that held it.
pub const LEASE_TTL: Duration = Duration::from_secs(60);
/// How long a replica counts as alive without a sign.
pub const REPLICA_TTL: Duration = Duration::from_secs(5);

/// Why the store gave nothing.
pub(crate) enum Failure {
    Limited(Limited),
    Down,
}

/// A charge as the store knows it.
#[derive(Clone, Debug)]
struct Taken {
    meter: Arc<Meter>,
    key: Box<str>,
    amount: u64,
    /// What of it must fit; -1: nothing need.
    least: i64,
    /// Rolling: its length in µs. Calendar: the period's end in Unix ms.
    window: i64,
}

impl Taken {
    fn new(link: &Link, charge: &Charge, wall_ms: i64) -> Self {
        let Limit { window, zone_s, .. } = charge.meter.limit;
        let name = charge.meter.name();
        let prefix = &link.store.prefix;
        let (key, window) = match window {
            Window::Rolling(ns) => {
                let us = i64::try_from(ns / 1000).unwrap_or(i64::MAX);
                (format!("{prefix}:m:{name}"), us)
            }
            Window::Calendar(period) => {
                let (begin_ms, end_ms) = period.around(wall_ms, zone_s);
                (format!("{prefix}:m:{name}:{begin_ms}"), end_ms)
            }
            Window::Held => (format!("{prefix}:m:{name}"), 0),
        };
        Self {
            meter: Arc::clone(&charge.meter),
            key: key.into(),
            amount: charge.amount,
            least: charge.least().map_or(-1, signed),
            window,
        }
    }

    fn kind(&self) -> &'static str {
        match self.meter.limit.window {
            Window::Rolling(_) => "r",
            Window::Calendar(_) => "c",
            Window::Held => "h",
        }
    }
}

/// What a request has reserved in the store. Dropping it settles it with its estimates.
pub(crate) struct Lease {
    link: Arc<Link>,
    id: u64,
    taken: SmallVec<[Taken; 4]>,
    settled: bool,
}

/// What keeps a lease alive.
#[derive(Clone)]
pub(crate) struct Renewal {
    lease_key: Box<str>,
    held: SmallVec<[Box<str>; 2]>,
}

/// What became of a lease.
pub(crate) struct Settlement {
    id: u64,
    lease_key: Box<str>,
    changes: SmallVec<[(Taken, i64); 4]>,
    /// Whether there is a lease, which shows that this was not done before.
    reserved: bool,
}

/// Takes all charges, or none.
pub(crate) async fn reserve(
    link: &Arc<Link>,
    charges: &[Charge],
    now: Now,
) -> Result<(Reserved, Lease), Failure> {
    let connection = link.connection().ok_or(Failure::Down)?;
    let wall_ms = now.wall_ms.saturating_add(link.offset_ms());
    let taken: SmallVec<[Taken; 4]> = charges
        .iter()
        .map(|charge| Taken::new(link, charge, wall_ms))
        .collect();
    let mut lease = Lease {
        link: Arc::clone(link),
        id: link.begin_lease(),
        taken,
        settled: false,
    };
    let given = lease.ask(connection, &lease.taken).await;
    match given {
        Ok(given) => {
            let mut standings: SmallVec<[Standing; 4]> = SmallVec::new();
            for (taken, given) in lease.taken.iter_mut().zip(given) {
                taken.amount = given.amount;
                taken.meter.pend(given.amount);
                standings.push(given.standing);
            }
            lease.link.hold(lease.id, lease.renewal());
            Ok((noted(&lease.taken, &standings), lease))
        }
        Err(failure) => {
            if matches!(failure, Failure::Down) {
                // It may have been made all the same.
                lease.give_up();
            }
            lease.settled = true;
            lease.taken.clear();
            Err(failure)
        }
    }
}

/// What is spent and reserved of a limit of the calendar; `None` if the store does not say.
pub(crate) async fn spent(link: &Arc<Link>, meter: &Arc<Meter>, now: Now) -> Option<u64> {
    let mut connection = link.connection()?;
    let charge = Charge::all(meter, 0);
    let wall_ms = now.wall_ms.saturating_add(link.offset_ms());
    let Taken { key, .. } = Taken::new(link, &charge, wall_ms);
    let mut get = redis::cmd("GET");
    let asked = get.arg(&*key).query_async::<Option<u64>>(&mut connection);
    match timeout(link.store.timeout, asked).await {
        Ok(Ok(spent)) => Some(spent.unwrap_or(0)),
        _ => None,
    }
}

fn noted(taken: &[Taken], standings: &[Standing]) -> Reserved {
    let mut reserved = Reserved::default();
    for (taken, standing) in taken.iter().zip(standings) {
        let Limit { unit, window, .. } = taken.meter.limit;
        reserved.note(unit, window, *standing);
        if let Some(spent) = taken.meter.crosses(*standing, taken.window) {
            reserved.crossed.push((Arc::clone(&taken.meter), spent));
        }
    }
    reserved
}

/// What the store gave of a charge.
struct Given {
    standing: Standing,
    amount: u64,
}

/// Counts charges that nobody reserved.
pub(crate) fn count(link: &Arc<Link>, charges: &[Charge], now: Now) {
    let wall_ms = now.wall_ms.saturating_add(link.offset_ms());
    let id = link.begin_lease();
    let changes = charges
        .iter()
        .map(|charge| (Taken::new(link, charge, wall_ms), signed(charge.amount)))
        .collect();
    link.settle(Settlement {
        id,
        lease_key: format!("{}:l:{}", link.store.prefix, link.lease_name(id)).into(),
        changes,
        reserved: false,
    });
}

impl Lease {
    /// Sends a reservation, and reads where the limits stand.
    async fn ask(
        &self,
        mut connection: Connection,
        taken: &[Taken],
    ) -> Result<SmallVec<[Given; 4]>, Failure> {
        let name = self.link.lease_name(self.id);
        let script = &self.link.scripts.reserve;
        let ttl_ms = u64::try_from(LEASE_TTL.as_millis()).unwrap_or(u64::MAX);
        let mut call = script.key(self.key());
        taken.iter().for_each(|one| {
            call.key(&*one.key);
        });
        call.arg(name).arg(ttl_ms);
        for one in taken {
            call.arg(one.kind())
                .arg(one.meter.limit.amount)
                .arg(one.amount)
                .arg(one.window)
                .arg(one.least);
        }
        let answer = timeout(
            self.link.store.timeout,
            call.invoke_async::<Vec<i64>>(&mut connection),
        )
        .await;
        let Ok(Ok(answer)) = answer else {
            self.link.breaks();
            return Err(Failure::Down);
        };
        read(&answer, taken).ok_or(Failure::Down)?
    }

    fn key(&self) -> String {
        let link = &self.link;
        format!("{}:l:{}", link.store.prefix, link.lease_name(self.id))
    }

    fn renewal(&self) -> Renewal {
        let held = self.taken.iter().filter(|taken| taken.kind() == "h");
        Renewal {
            lease_key: self.key().into(),
            held: held.map(|taken| taken.key.clone()).collect(),
        }
    }

    pub(crate) fn reserved(&self) -> impl Iterator<Item = (&Arc<Meter>, u64)> {
        self.taken.iter().map(|taken| (&taken.meter, taken.amount))
    }

    pub(crate) async fn grow(&mut self, more: Used, now: Now) -> Result<Reserved, Failure> {
        let charges = meter::growth(self.reserved().map(|(meter, _)| meter), more);
        if charges.is_empty() {
            return Ok(Reserved::default());
        }
        let connection = self.link.connection().ok_or(Failure::Down)?;
        let wall_ms = now.wall_ms.saturating_add(self.link.offset_ms());
        let charges = charges.iter();
        let mut wanted: SmallVec<[Taken; 4]> = charges
            .map(|charge| Taken::new(&self.link, charge, wall_ms))
            .collect();
        let grown = self.ask(connection, &wanted).await;
        let mut reserved = Reserved::default();
        if let Ok(given) = &grown {
            for (taken, given) in wanted.iter_mut().zip(given) {
                taken.amount = given.amount;
                taken.meter.pend(given.amount);
            }
            let standings: SmallVec<[Standing; 4]> =
                given.iter().map(|given| given.standing).collect();
            reserved = noted(&wanted, &standings);
        }
        // Of an answer that did not come nobody knows: what was made all the same stays counted, which is the safe side.
        if grown.is_ok() {
            for new in wanted {
                match self.taken.iter_mut().find(|old| old.key == new.key) {
                    Some(old) => old.amount = old.amount.saturating_add(new.amount),
                    None => self.taken.push(new),
                }
            }
        }
        grown.map(|_| reserved)
    }

    /// Replaces the estimates.
    pub(crate) fn settle(mut self, used: Used) {
        self.unpend();
        self.hand_over(|taken, before| {
            let total = match taken.meter.limit.unit {
                Unit::Requests => return Some(taken.amount),
                Unit::Tokens => used.tokens,
                Unit::Cost => used.cost_nano,
                Unit::Concurrent | Unit::Streams => 0,
            };
            Some(total.saturating_sub(before))
        });
    }

    /// What was reserved is so no more, whatever the store has heard of that.
    fn unpend(&self) {
        for taken in &self.taken {
            taken.meter.unpend(taken.amount);
        }
    }

    /// Nothing was used.
    fn give_up(&mut self) {
        self.hand_over(|_, _| Some(0));
    }

    /// `real` says what was used of a charge, given what earlier periods of the same limit took; `None`: as estimated.
    fn hand_over(&mut self, real: impl Fn(&Taken, u64) -> Option<u64>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let taken = std::mem::take(&mut self.taken);
        let mut changes = SmallVec::new();
        for (at, this) in taken.iter().enumerate() {
            let (earlier, later) = taken.split_at(at);
            let same = |other: &&Taken| Arc::ptr_eq(&other.meter, &this.meter);
            let before: u64 = earlier.iter().filter(same).map(|other| other.amount).sum();
            let is_last = !later.iter().skip(1).any(|other| same(&other));
            let used = real(this, before).unwrap_or(this.amount);
            let used = if is_last { used } else { used.min(this.amount) };
            changes.push((this.clone(), signed(used) - signed(this.amount)));
        }
        let settlement = Settlement {
            id: self.id,
            lease_key: self.key().into(),
            changes,
            reserved: true,
        };
        self.link.settle(settlement);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.unpend();
        self.hand_over(|_, _| None);
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({})", self.id)
    }
}

impl Renewal {
    pub(crate) fn call<'a>(&self, script: &'a redis::Script, lease: &str) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&*self.lease_key);
        self.held.iter().for_each(|key| {
            call.key(&**key);
        });
        call.arg(lease)
            .arg(u64::try_from(LEASE_TTL.as_millis()).unwrap_or(u64::MAX));
        call
    }
}

impl Settlement {
    pub(crate) fn lease(&self) -> u64 {
        self.id
    }

    /// False if the store did not answer.
    pub(crate) async fn send(&self, link: &Link, mut connection: Connection) -> bool {
        let mut call = link.scripts.settle.key(&*self.lease_key);
        self.changes.iter().for_each(|(taken, _)| {
            call.key(&*taken.key);
        });
        call.arg(link.lease_name(self.id))
            .arg(u8::from(!self.reserved));
        for (taken, change) in &self.changes {
            call.arg(taken.kind())
                .arg(taken.meter.limit.amount)
                .arg(*change)
                .arg(taken.window);
        }
        call.invoke_async::<i64>(&mut connection).await.is_ok()
    }
}

/// What reserve.lua answered; `None` if it is nothing that the script says.
fn read(answer: &[i64], taken: &[Taken]) -> Option<Result<SmallVec<[Given; 4]>, Failure>> {
    let standing = |taken: &Taken, remaining: i64, reset_us: i64| Standing {
        limit: taken.meter.limit.amount,
        remaining: unsigned(remaining),
        reset_ns: unsigned(reset_us).saturating_mul(1000),
    };
    match answer {
        [1, _, rest @ ..] if rest.len() == taken.len() * 3 => {
            let parts = taken.iter().zip(rest.chunks_exact(3));
            let given = parts.filter_map(|(taken, part)| match part {
                [remaining, reset_us, amount] => Some(Given {
                    standing: standing(taken, *remaining, *reset_us),
                    amount: unsigned(*amount),
                }),
                _ => None,
            });
            Some(Ok(given.collect()))
        }
        [0, _, which, wait_us, remaining, reset_us] => {
            let taken = taken.get(usize::try_from(*which).ok()?.checked_sub(1)?)?;
            let standing = standing(taken, *remaining, *reset_us);
            let held = taken.meter.is_held(standing, unsigned(taken.least));
            let wait_us = u64::try_from(*wait_us).ok().filter(|_| !held);
            Some(Err(Failure::Limited(Limited {
                meter: Arc::clone(&taken.meter),
                retry_ns: wait_us.map(|us| us.saturating_mul(1000)),
                standing,
                never: taken.least > signed(taken.meter.limit.amount),
                held,
                crossed: taken.meter.crosses(standing, taken.window),
            })))
        }
        _ => None,
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
