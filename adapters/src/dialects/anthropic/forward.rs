//! The edits that make a client's request fit an upstream that speaks the same dialect.
//!
//! Two: the model's name, and thoughts that came from another vendor's model. All else goes as it came, unknown fields
//! too. Never touches the inside of a text.

use bytes::Bytes;
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Edits, Fault, Kind};

use crate::dialect::{Dropped, Forward};
use crate::members::{overlap, quoted, without};
use crate::vendor::Call;

/// Makes the edits.
///
/// # Errors
/// `Bug` only.
pub(super) fn forward(
    body: &Bytes,
    facts: &RequestFacts,
    call: &Call<'_>,
) -> Result<Forward, Fault> {
    let root = Value::root(&facts.tape, body).filter(|root| root.kind() == Type::Object);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut edits = Edits::new();
    if call.model != facts.model {
        let name = quoted(call.model);
        edits
            .replace(facts.model_span.clone(), name)
            .map_err(overlap)?;
    }
    let messages = root.get("messages");
    for message in messages.iter().flat_map(Value::elements) {
        if let Some(content) = message.get("content") {
            without_unproved(content, &mut edits)?;
        }
    }
    Ok(Forward {
        edits,
        dropped: Dropped::new(),
        hide_usage: false,
    })
}

/// Takes out thoughts without a signature: those that we gave out for a vendor that signs none. The vendor of this dialect
/// refuses them.
fn without_unproved(content: Value<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let unproved = |block: &Value<'_>| {
        block
            .get("type")
            .is_some_and(|kind| kind.is_named("thinking"))
            && block
                .get("signature")
                .is_some_and(|signature| signature.inner() == Some(""))
    };
    if content.elements().all(|block| !unproved(&block)) {
        return Ok(());
    }
    without(content, unproved, edits)
}
