//! The error that serde carries: a message that is told once, at the innermost value that it passes.
//!
//! Invariant: no message holds a value.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use serde::de;

/// The message of a value that does not fit; taken out once it is recorded. Shared, since serde wants to clone nothing but
/// a visitor that goes on (see [`each`](crate::config::each)) still has to end with the error.
#[derive(Clone)]
pub(super) struct Stop(Rc<RefCell<Option<String>>>);

impl Stop {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Rc::new(RefCell::new(Some(message.into()))))
    }

    /// The message, the first time that it is asked for.
    pub(super) fn take(&self) -> Option<String> {
        self.0.borrow_mut().take()
    }

    /// As [`take`](Self::take), unless it says that another field than these is missing.
    pub(super) fn take_unless_other(&self, fields: &[&str]) -> Option<String> {
        let other = |message: &String| {
            let field = message.strip_prefix('`')?.strip_suffix("` is missing")?;
            (!fields.contains(&field)).then_some(())
        };
        let mut message = self.0.borrow_mut();
        if message.as_ref().and_then(other).is_some() {
            return None;
        }
        message.take()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stop")
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.borrow().as_deref().unwrap_or_default())
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    // serde's own texts hold the value.
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let kind = match found {
            de::Unexpected::Map => "a mapping",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Str(_) => "text",
            de::Unexpected::Bool(_) => "true or false",
            de::Unexpected::Unit | de::Unexpected::Option => "nothing",
            _ => "a number",
        };
        Self::new(format!("expected {expected}, found {kind}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("out of range: expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }
}
