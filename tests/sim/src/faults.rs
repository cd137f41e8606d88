//! Faults and shapes that a request asks for through its model name: `qwen-plus@status:429@retryafter:3`.
//!
//! Stateless: what a simulated vendor does wrong stands in the request alone, so tests run side by side.
//! It must never know a vendor. Unknown suffixes are an error, or a typing mistake in a test would pass unseen.

use std::time::Duration;

/// Most events that `@events` may ask for: they are rendered before the first is sent.
pub(crate) const EVENTS_MAX: usize = 100_000;
/// Largest text, in bytes, that `@bigevent` may ask for.
pub(crate) const BIG_EVENT_MAX: usize = 64 << 20;

/// What `@frame` may ask of a WebSocket.
const FRAMES: [&str; 9] = [
    "accept", "binary", "close", "huge", "masked", "reserved", "rest", "unknown", "utf8",
];

/// All that may be joined to a model name. `None`, `false` and zero mean: as the vendor behaves when well.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) html: bool,
    pub(crate) cut: Option<usize>,
    pub(crate) cut_event: Option<usize>,
    pub(crate) stall: Option<usize>,
    pub(crate) hang: bool,
    pub(crate) slow_head: Option<Duration>,
    pub(crate) slow_first: Option<Duration>,
    pub(crate) gap: Option<Duration>,
    pub(crate) reset: bool,
    pub(crate) split: Option<usize>,
    pub(crate) wrong_len: bool,
    pub(crate) error_in_200: bool,
    pub(crate) error_event: Option<usize>,
    pub(crate) bad_json: Option<usize>,
    pub(crate) dup_final: bool,
    pub(crate) no_done: bool,
    pub(crate) json_stream: bool,
    pub(crate) retry_after: Option<String>,
    pub(crate) big_event: Option<usize>,
    pub(crate) crlf: bool,
    pub(crate) ascii: bool,
    pub(crate) ping: Option<usize>,
    pub(crate) usage: Option<UsageFault>,
    pub(crate) cl_te: bool,
    pub(crate) events: Option<usize>,
    pub(crate) piece: Option<usize>,
    pub(crate) text: Option<String>,
    pub(crate) endless_headers: bool,
    pub(crate) redirect: bool,
    pub(crate) odd_finish: Option<String>,
    pub(crate) recall: bool,
    pub(crate) end_event: Option<usize>,
    pub(crate) fragment: Option<usize>,
    pub(crate) frame: Option<String>,
}

/// What `@usage` does to the token counts of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageFault {
    None,
    Each,
    Negative,
}

/// Splits `name@fault@fault:arg` into the bare name and its faults. The error says which suffix is not known.
pub(crate) fn read(model: &str) -> Result<(String, Faults), String> {
    let mut parts = model.split('@');
    let name = parts.next().unwrap_or_default().to_owned();
    let mut faults = Faults::default();
    for part in parts {
        let (key, arg) = part.split_once(':').unwrap_or((part, ""));
        faults
            .set(key, arg)
            .ok_or_else(|| format!("the simulator knows no fault '@{part}'"))?;
    }
    Ok((name, faults))
}

impl Faults {
    fn set(&mut self, key: &str, arg: &str) -> Option<()> {
        if self.set_timing(key, arg).is_some() || self.set_shape(key, arg).is_some() {
            return Some(());
        }
        match key {
            "status" => self.status = Some(arg.parse().ok().filter(|n| (200..=599).contains(n))?),
            "code" => self.code = Some(text(arg)?),
            "html" => self.html = true,
            "cut" => self.cut = Some(arg.parse().ok()?),
            "cutevent" => self.cut_event = Some(arg.parse().ok()?),
            "reset" => self.reset = true,
            "wronglen" => self.wrong_len = true,
            "errorin200" => self.error_in_200 = true,
            "errorevent" => self.error_event = Some(arg.parse().ok()?),
            "badjson" => self.bad_json = Some(arg.parse().ok()?),
            "retryafter" => self.retry_after = Some(text(arg)?),
            "clte" => self.cl_te = true,
            "headers" if arg == "endless" => self.endless_headers = true,
            "redirect" => self.redirect = true,
            "recall" => self.recall = true,
            "endevent" => self.end_event = Some(arg.parse().ok()?),
            "fragment" => self.fragment = Some(count(arg, usize::MAX)?),
            "frame" => self.frame = Some(FRAMES.contains(&arg).then(|| arg.to_owned())?),
            _ => return None,
        }
        Some(())
    }

    fn set_timing(&mut self, key: &str, arg: &str) -> Option<()> {
        match key {
            "stall" => self.stall = Some(arg.parse().ok()?),
            "hang" => self.hang = true,
            "slowhead" => self.slow_head = Some(millis(arg)?),
            "slowfirst" => self.slow_first = Some(millis(arg)?),
            "gap" => self.gap = Some(millis(arg)?),
            _ => return None,
        }
        Some(())
    }

    fn set_shape(&mut self, key: &str, arg: &str) -> Option<()> {
        match key {
            "split" => self.split = Some(count(arg, usize::MAX)?),
            "dupfinal" => self.dup_final = true,
            "nodone" => self.no_done = true,
            "jsonstream" => self.json_stream = true,
            "bigevent" => self.big_event = Some(count(arg, BIG_EVENT_MAX)?),
            "crlf" => self.crlf = true,
            "ascii" => self.ascii = true,
            "ping" => self.ping = Some(count(arg, usize::MAX)?),
            "usage" => {
                self.usage = Some(match arg {
                    "none" => UsageFault::None,
                    "each" => UsageFault::Each,
                    "negative" => UsageFault::Negative,
                    _ => return None,
                });
            }
            "events" => self.events = Some(arg.parse().ok().filter(|n| *n <= EVENTS_MAX)?),
            "piece" => self.piece = Some(count(arg, usize::MAX)?),
            "text" => self.text = Some(unhex(arg)?),
            "oddfinish" => self.odd_finish = Some(text(arg)?),
            _ => return None,
        }
        Some(())
    }

    /// The reply is an error before its first event: by status, by vendor code, or because of `@retryafter` alone.
    pub(crate) fn refuses(&self) -> bool {
        self.error_event.is_none()
            && (self.status.is_some_and(|status| status >= 400)
                || self.code.is_some()
                || self.retry_after.is_some()
                || self.error_in_200)
    }
}

fn text(arg: &str) -> Option<String> {
    (!arg.is_empty()).then(|| arg.to_owned())
}

fn millis(arg: &str) -> Option<Duration> {
    arg.parse().ok().map(Duration::from_millis)
}

fn count(arg: &str, max: usize) -> Option<usize> {
    arg.parse().ok().filter(|n| (1..=max).contains(n))
}

fn unhex(arg: &str) -> Option<String> {
    if !arg.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..arg.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(arg.get(at..at + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_joined_faults() {
        let (name, faults) = read("org/m.1@status:429@retryafter:3@text:e4bda0").unwrap();
        assert_eq!(name, "org/m.1");
        assert_eq!(faults.status, Some(429));
        assert_eq!(faults.retry_after.as_deref(), Some("3"));
        assert_eq!(faults.text.as_deref(), Some("你"));
        assert!(faults.refuses());
        assert_eq!(read("plain").unwrap(), ("plain".into(), Faults::default()));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in [
            "m@",
            "m@stats:1",
            "m@status:x",
            "m@status:9",
            "m@split:0",
            "m@text:zz",
            "m@usage:some",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
