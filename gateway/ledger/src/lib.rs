//! Limits counted in this process, or in a store that replicas share: reserve before, settle after.
//!
//! [`Ledger::reserve`] takes from all limits of a request at once, all or nothing, in one round trip where the store is
//! shared; [`Lease::settle`] never waits. Semantics of both are those of `policies::limit`: one suite runs on both.
//!
//! An enum and not a trait: there are two stores, and the one in memory answers without a future of its own.
//!
//! While the shared store does not answer, each limit does what its `on_outage` says; nobody waits longer for it than the
//! configured time, and after a first failure nobody waits at all until it is back.
//!
//! Must never know HTTP or a config's shape; reads no clock but the one it is given.
//! Invariants: what was reserved and not settled stays counted, and what is held is free again when its holder's replica is
//! gone: the store may over-count for a while and never under-counts. A settlement that is repeated changes nothing.

mod link;
mod remote;
mod shelf;
mod store;

use std::sync::Arc;

use policies::limit::level::Now;
use policies::limit::meter::{
    self, Charge, Crossings, Hold, Limited, Meter, OnOutage, Reserved, Used,
};

pub use link::{Link, Stats};
pub use remote::{LEASE_TTL, REPLICA_TTL};
pub use shelf::{Changes, Doc, Down, Place, Shelf, Written};
pub use store::{Problem, Store};

/// Where limits are counted.
#[derive(Clone)]
pub enum Ledger {
    /// In this process.
    Memory,
    /// In a store that replicas share, over a connection of this runtime.
    Shared(Arc<Link>),
}

/// Why a request may not go on.
#[derive(Debug)]
pub enum Refused {
    /// A limit is reached.
    Limited(Limited),
    /// The store does not answer, and this limit says `refuse`.
    Down(Arc<Meter>),
}

/// What a request has reserved. Dropping it settles it with its estimates.
#[derive(Debug, Default)]
pub struct Lease {
    local: Hold,
    /// Boxed: most gateways have none, and every stream carries the room for it.
    remote: Option<Box<remote::Lease>>,
}

impl Ledger {
    /// Takes all charges, or none.
    ///
    /// # Errors
    /// The first limit that refused, or that cannot be asked.
    pub async fn reserve(
        &self,
        charges: &[Charge],
        now: Now,
    ) -> Result<(Reserved, Lease), Refused> {
        let link = match self {
            Self::Shared(link) if !charges.is_empty() => link,
            _ => return here(charges, Hold::default(), now),
        };
        match Box::pin(remote::reserve(link, charges, now)).await {
            Ok((reserved, lease)) => {
                let lease = Lease {
                    local: Hold::default(),
                    remote: Some(Box::new(lease)),
                };
                Ok((reserved, lease))
            }
            Err(remote::Failure::Limited(limited)) => Err(Refused::Limited(limited)),
            Err(remote::Failure::Down) => {
                let strict = charges
                    .iter()
                    .find(|charge| charge.meter.limit.on_outage == OnOutage::Refuse);
                if let Some(strict) = strict {
                    return Err(Refused::Down(Arc::clone(&strict.meter)));
                }
                here(charges, Hold::sharing(link.replicas()), now)
            }
        }
    }
}

impl Ledger {
    /// What is spent and reserved of a limit of the calendar, which may be more than the limit; `None` if the shared store
    /// does not say.
    pub async fn spent(&self, meter: &Arc<Meter>, now: Now) -> Option<u64> {
        match self {
            Self::Shared(link) => remote::spent(link, meter, now).await,
            Self::Memory => Some(meter.spent(now)),
        }
    }

    /// Counts charges, whether they fit or not: what cannot be refused any more. Never waits.
    pub fn count(&self, charges: &[Charge], now: Now) {
        match self {
            Self::Shared(link) if !charges.is_empty() => remote::count(link, charges, now),
            _ => charges
                .iter()
                .for_each(|charge| charge.meter.count(charge.amount, now)),
        }
    }
}

/// [`Ledger::reserve`] in this process, without a future.
///
/// # Errors
/// The first limit that refused.
pub fn reserve_here(charges: &[Charge], now: Now) -> Result<(Reserved, Lease), Refused> {
    here(charges, Hold::default(), now)
}

fn here(charges: &[Charge], mut hold: Hold, now: Now) -> Result<(Reserved, Lease), Refused> {
    let reserved = meter::reserve(charges, now, &mut hold).map_err(Refused::Limited)?;
    let lease = Lease {
        local: hold,
        remote: None,
    };
    Ok((reserved, lease))
}

impl Lease {
    /// What is reserved of each limit, in parts where periods of it differ.
    pub fn reserved(&self) -> impl Iterator<Item = (&Arc<Meter>, u64)> {
        let remote = self.remote.iter().flat_map(|remote| remote.reserved());
        self.local.reserved().chain(remote)
    }

    /// Whether growing asks a shared store: if not, [`grow`](Self::grow) is ready at once.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.remote.is_some()
    }

    /// Reserves more for a stream that goes on beyond its estimate: of budgets what remains, or nothing anywhere; rates are
    /// charged whether it fits or not. While the store does not answer nothing grows: what is used is charged at the end.
    ///
    /// # Errors
    /// The budget that has no more.
    pub async fn grow(&mut self, more: Used, now: Now) -> Result<Reserved, Limited> {
        match &mut self.remote {
            None => self.local.grow(more, now),
            Some(remote) => match remote.grow(more, now).await {
                Ok(reserved) => Ok(reserved),
                Err(remote::Failure::Limited(limited)) => Err(limited),
                Err(remote::Failure::Down) => Ok(Reserved::default()),
            },
        }
    }

    /// The end: estimates become what was used, and what was held is free. Never waits, so what that crosses in a shared
    /// store the next reservation tells.
    pub fn settle(mut self, used: Used, now: Now) -> Crossings {
        if let Some(remote) = self.remote.take() {
            (*remote).settle(used);
        }
        self.local.settle(used, now)
    }
}
