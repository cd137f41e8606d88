//! A conversation as messages of two sides in turn: neighbours of one side are one message, results of tools come first in
//! theirs.
//!
//! For dialects that want it so. Each writes its own parts; here is their order and which message is open. Invariant: the
//! first message is the user's, and none is empty.

use wire::canon::{Part, Role, Turn};
use wire::{Fault, Kind};

use crate::quirks::Loss;
use crate::weave::Weave;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    User,
    Model,
}

/// How a dialect writes messages.
pub(crate) struct Words {
    /// A message of the user's up to its first part.
    pub(crate) user: &'static str,
    /// One of the model's.
    pub(crate) model: &'static str,
    /// All of what a user says where the conversation would begin with the model, a comma behind it.
    pub(crate) opening: &'static str,
}

/// Whose message is open.
pub(crate) struct Sides {
    words: &'static Words,
    open: Option<Side>,
}

impl Sides {
    /// No message yet.
    pub(crate) const fn new(words: &'static Words) -> Self {
        Self { words, open: None }
    }

    /// Begins a part of a side's message.
    pub(crate) fn begin(&mut self, weave: &mut Weave, side: Side) {
        match self.open {
            Some(open) if open == side => return weave.lit(","),
            Some(_) => weave.lit("]},"),
            None if side == Side::Model => weave.lit(self.words.opening),
            None => {}
        }
        self.open = Some(side);
        weave.lit(match side {
            Side::User => self.words.user,
            Side::Model => self.words.model,
        });
    }

    /// Ends the last message.
    fn end(&self, weave: &mut Weave) -> Result<(), Fault> {
        if self.open.is_none() {
            return Err(Fault::new(Kind::BadRequest)
                .param("messages")
                .message("The provider of this model needs a message that is not empty."));
        }
        weave.lit("]}");
        Ok(())
    }
}

/// What a dialect writes of turns.
pub(crate) trait Writes {
    /// Where to, and whose message is open there.
    fn place(&mut self) -> (&mut Weave, &mut Sides);

    /// A turn of the model's.
    fn model(&mut self, turn: &Turn) -> Result<(), Fault>;

    /// A tool's result, which is the user's to tell.
    fn result(&mut self, turn: &Turn) -> Result<(), Fault>;

    /// What a user says.
    fn user(&mut self, parts: &[Part]) -> Result<(), Fault>;

    /// Loses what cannot be said.
    fn lose(&mut self, name: &'static str, loss: Loss) -> Result<(), Fault>;
}

/// Writes the array of messages, but for instructions, which stand elsewhere.
///
/// # Errors
/// `BadRequest` for what must not be lost, and for a conversation in which nothing is said.
pub(crate) fn write(writer: &mut impl Writes, turns: &[Turn]) -> Result<(), Fault> {
    writer.place().0.lit("[");
    let said: Vec<&Turn> = turns.iter().filter(|turn| !is_system(turn)).collect();
    let models = |turn: &Turn| turn.role == Role::Assistant;
    for run in said.chunk_by(|one, next| models(one) == models(next)) {
        if run.first().is_some_and(|turn| models(turn)) {
            for turn in run {
                writer.model(turn)?;
            }
            continue;
        }
        for turn in run.iter().filter(|turn| turn.role == Role::Tool) {
            writer.result(turn)?;
        }
        for turn in run.iter().filter(|turn| turn.role != Role::Tool) {
            if turn.name.is_some() {
                writer.lose("name", Loss::Hint)?;
            }
            writer.user(&turn.parts)?;
        }
    }
    let (weave, sides) = writer.place();
    sides.end(weave)?;
    weave.lit("]");
    Ok(())
}

/// Whether a turn is instructions.
pub(crate) fn is_system(turn: &Turn) -> bool {
    matches!(turn.role, Role::System | Role::Developer)
}
