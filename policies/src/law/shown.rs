//! What a service that only judges requests may see of one: no more than it is cleared for, and nothing that is replaced
//! for the target.
//!
//! Part of the law, and sees nothing but what the law's own judge makes of a target.

use bytes::Bytes;
use smallvec::SmallVec;
use wire::Grade;

use super::{Case, Cleared, Destination, Form, Judge};
use crate::when::Provider;

/// What a service that only judges requests may see of one.
#[derive(Default)]
pub struct Shown {
    /// The bodies it may see, each once: for each target what goes there, and no more than the service is cleared for.
    pub bodies: SmallVec<[Bytes; 1]>,
    /// Whether something goes to a target of which the service may see no form.
    pub hidden: bool,
}

/// What a service of that clearance may see of a request and the targets that it was cleared for: the law as for a target
/// of the lower of both clearances, so nothing is replaced in a target's form and seen by the service.
pub fn shown<T: Destination>(case: &Case<'_>, cleared: &[Cleared<T>], clearance: Grade) -> Shown {
    let mut judge = Judge::new(case);
    let mut shown = Shown::default();
    for own in cleared {
        let form = if own.grade <= clearance {
            own.form.clone()
        } else {
            let target = &own.target;
            let under = judge.all([Under { target, clearance }]);
            let Some(under) = under.ok().and_then(|mut under| under.pop()) else {
                shown.hidden = true;
                continue;
            };
            under.form
        };
        let body = match form {
            Form::Whole => case.body.clone(),
            Form::Redacted(rewritten) => rewritten.body.clone(),
        };
        if !shown.bodies.contains(&body) {
            shown.bodies.push(body);
        }
    }
    shown
}

/// A target, for whoever may see less than it.
struct Under<'t, T> {
    target: &'t T,
    clearance: Grade,
}

impl<T: Destination> Destination for Under<'_, T> {
    fn clearance(&self) -> Grade {
        self.target.clearance().min(self.clearance)
    }

    fn is_overseas(&self) -> bool {
        self.target.is_overseas()
    }

    fn is_filed(&self) -> bool {
        self.target.is_filed()
    }

    fn place(&self) -> Provider<'_> {
        self.target.place()
    }
}
