//! The response itself, as it is told at a stream's beginning and end, or whole.

use wire::Fault;
use wire::facts::Finish;

use super::Writer;
use crate::dialects::responses::whole::write_usage;
use crate::weave::Weave;

/// How far a response is.
pub(super) enum State<'f> {
    InProgress,
    Completed,
    /// It was cut, and why.
    Incomplete(&'static str),
    /// What came of it before is not told again.
    Failed(&'f Fault),
}

impl Writer {
    /// How it ended.
    pub(super) fn state(&self) -> State<'static> {
        match self.finish {
            Some(Finish::Length) => State::Incomplete("max_output_tokens"),
            Some(Finish::ContentFilter) => State::Incomplete("content_filter"),
            _ => State::Completed,
        }
    }

    /// The response as far as it is told in that state.
    pub(super) fn write_response(&self, weave: &mut Weave, state: &State<'_>) {
        weave.lit("{\"id\":");
        match &self.id {
            Some(id) => weave.string(id),
            None => {
                weave.lit("\"resp_");
                weave.lit(&self.head.request_id);
                weave.lit("\"");
            }
        }
        weave.lit(",\"object\":\"response\",\"created_at\":");
        weave.number(self.head.created);
        weave.lit(",\"status\":\"");
        weave.lit(match state {
            State::InProgress => "in_progress",
            State::Completed => "completed",
            State::Incomplete(_) => "incomplete",
            State::Failed(_) => "failed",
        });
        weave.lit("\",\"completed_at\":null,\"error\":");
        match state {
            State::Failed(fault) => {
                weave.lit("{\"code\":\"");
                weave.lit(fault.public_code().as_str());
                weave.lit("\",\"message\":");
                weave.quoted(fault.sentence());
                weave.lit("}");
            }
            _ => weave.lit("null"),
        }
        weave.lit(",\"incomplete_details\":");
        match state {
            State::Incomplete(reason) => {
                weave.lit("{\"reason\":");
                weave.quoted(reason);
                weave.lit("}");
            }
            _ => weave.lit("null"),
        }
        weave.lit(",\"model\":");
        weave.quoted(&self.head.model);
        weave.lit(",\"output\":[");
        if matches!(state, State::Completed | State::Incomplete(_)) {
            for (at, item) in self.items.iter().enumerate() {
                weave.lit(if at == 0 { "" } else { "," });
                item.write(weave, &self.head.request_id, at);
            }
        }
        weave.lit("]");
        weave.splice(&self.echo);
        weave.lit(",\"usage\":");
        match state {
            State::InProgress => weave.lit("null"),
            _ => write_usage(weave, self.usage),
        }
        weave.lit("}");
    }
}
