//! The workloads W1–W6 and `ttft`: what is sent, over how many connections, and what a right answer is.
//!
//! It must never know who answers: the mock directly, a bare proxy or the gateway get the same bytes.
//! Invariant: a workload's model name is what makes the mock behave; nothing else travels from client to mock.

use clap::ValueEnum;
use std::time::Duration;

/// Prompt size of the chat workloads, bytes of JSON body.
const CHAT_BODY: usize = 1024;
/// Prompt size of W5, bytes of JSON body.
const LONG_BODY: usize = 200 * 1024;

/// The workloads by name, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Workload {
    /// Chat, 1 KiB → 2 KiB, closed loop.
    W1,
    /// Streams of 200 events as fast as they come, closed loop.
    W2,
    /// 1,000 streams, an event each 20 ms.
    W3,
    /// W1 as an open loop at a constant rate.
    W4,
    /// 200 KiB prompt, short reply, closed loop.
    W5,
    /// Idle streams, held open: memory.
    W6,
    /// Time to first token, one connection, unloaded.
    Ttft,
}

/// In what a workload's CPU is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Request,
    Event,
    Stream,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Request => "request",
            Unit::Event => "event",
            Unit::Stream => "stream",
        }
    }
}

/// What makes an answer right, beyond status 200 and sound framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A whole JSON body of at least this many bytes.
    Json(usize),
    /// This many `data:` events before `data: [DONE]`, which must be the last.
    Events(u64),
}

impl Workload {
    pub(crate) const ALL: [Workload; 7] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W4,
        Self::W5,
        Self::W6,
        Self::Ttft,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
            Self::W5 => "W5",
            Self::W6 => "W6",
            Self::Ttft => "TTFT",
        }
    }

    /// One line for the report.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::W1 => "chat, 1 KiB to 2 KiB, closed loop",
            Self::W2 => "streams of 200 events of 180 B, unpaced",
            Self::W3 => "streams with an event each 20 ms",
            Self::W4 => "chat, open loop",
            Self::W5 => "200 KiB prompt, short reply",
            Self::W6 => "idle streams",
            Self::Ttft => "one stream at a time, unloaded",
        }
    }

    /// Model asked for; the mock chooses its behaviour by it.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::W1 | Self::W4 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
            Self::W5 => "w5",
            Self::W6 => "idle",
            Self::Ttft => "ttft",
        }
    }

    pub(crate) fn streams(self) -> bool {
        !matches!(self, Self::W1 | Self::W4 | Self::W5)
    }

    pub(crate) fn connections(self) -> usize {
        match self {
            Self::W1 | Self::W2 | Self::W4 => 64,
            Self::W3 => 1000,
            Self::W5 => 16,
            Self::W6 => 5000,
            Self::Ttft => 1,
        }
    }

    /// Requests a second of an open loop; `None` is a closed loop.
    pub(crate) fn rate(self) -> Option<f64> {
        (self == Self::W4).then_some(2000.0)
    }

    /// Units a second that must be reached for the workload to be what its name says.
    pub(crate) fn pace(self, connections: usize) -> Option<f64> {
        (self == Self::W3).then_some(connections as f64 * 50.0)
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::W2 | Self::W3 => Unit::Event,
            Self::W6 => Unit::Stream,
            _ => Unit::Request,
        }
    }

    /// Bytes of the JSON body.
    pub(crate) fn body_size(self) -> usize {
        if self == Self::W5 {
            LONG_BODY
        } else {
            CHAT_BODY
        }
    }

    /// Pause of a connection between two requests.
    pub(crate) fn pause(self) -> Duration {
        if self == Self::Ttft {
            Duration::from_millis(2)
        } else {
            Duration::ZERO
        }
    }

    /// Streams are left in mid-flight when the window closes; every other request is waited for.
    pub(crate) fn leaves_early(self) -> bool {
        matches!(self, Self::W3 | Self::W6)
    }

    /// `usage`: the request asks for the usage event.
    pub(crate) fn expect(self, usage: bool) -> Expect {
        let usage = u64::from(usage);
        match self {
            Self::W1 | Self::W4 => Expect::Json(2048),
            Self::W5 => Expect::Json(100),
            Self::W2 => Expect::Events(200 + usage),
            Self::W3 => Expect::Events(250 + usage),
            Self::W6 => Expect::Events(1),
            Self::Ttft => Expect::Events(8 + usage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for workload in Workload::ALL {
            assert_eq!(Workload::from_str(workload.name(), false), Ok(workload));
        }
    }
}
