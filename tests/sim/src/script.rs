//! Applies faults to what a surface wrote, and turns it into the steps a body plays. Pure: no socket, no clock.
//!
//! "After N events" counts events that are no comments, `[DONE]` included. It must never know a vendor's fields.

use crate::Pace;
use crate::body::{CUT_FLUSH, Step};
use crate::faults::Faults;
use crate::json;
use crate::surfaces::{Frame, Kind};
use bytes::Bytes;
use std::time::Duration;

/// Silence before the first event at human pace.
const HUMAN_FIRST: Duration = Duration::from_millis(180);
/// Shortest gap between two events at human pace; up to as much again is added. Together about 25 events a second.
const HUMAN_GAP_MIN_MS: u64 = 27;

/// Changes which events there are and how they are written. `error` is what `@errorevent` ends the stream with.
pub(crate) fn reshape(mut frames: Vec<Frame>, faults: &Faults, error: Vec<Frame>) -> Vec<Frame> {
    if let Some(n) = faults.error_event {
        frames.truncate(index_after(&frames, n));
        frames.extend(error);
    }
    if let Some(n) = faults.end_event {
        frames.truncate(index_after(&frames, n));
    }
    if let Some(n) = faults.bad_json {
        let at = index_after(&frames, n).min(frames.len().saturating_sub(1));
        if let Some(frame) = frames.get_mut(at) {
            *frame = broken(frame);
        }
    }
    if faults.dup_final
        && let Some(at) = frames.iter().rposition(|frame| frame.kind == Kind::Finish)
        && let Some(again) = frames.get(at).cloned()
    {
        frames.insert(at, again);
    }
    if faults.no_done {
        frames.retain(|frame| frame.kind != Kind::Done);
    }
    if let Some(every) = faults.ping {
        frames = with_pings(frames, every);
    }
    for frame in &mut frames {
        if faults.ascii {
            frame.text = json::ascii(&frame.text);
        }
        if faults.crlf {
            frame.text = frame.text.replace('\n', "\r\n");
        }
    }
    frames
}

/// The event with its JSON cut in the middle.
fn broken(frame: &Frame) -> Frame {
    let half = frame.text.floor_char_boundary(frame.text.len() / 2);
    let start = frame.text.get(..half).unwrap_or_default();
    Frame::new(frame.kind, format!("{}\n\n", start.trim_end()))
}

fn with_pings(frames: Vec<Frame>, every: usize) -> Vec<Frame> {
    let mut out = Vec::with_capacity(frames.len() * 2);
    for (at, frame) in frames.into_iter().enumerate() {
        if at > 0 && at.is_multiple_of(every) {
            out.push(Frame::new(Kind::Comment, ": ping\n\n".to_owned()));
        }
        out.push(frame);
    }
    out
}

/// Where in the list `n` events have passed.
fn index_after(frames: &[Frame], n: usize) -> usize {
    let mut events = frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.kind != Kind::Comment);
    match n.checked_sub(1) {
        None => 0,
        Some(before) => events.nth(before).map_or(frames.len(), |(at, _)| at + 1),
    }
}

/// The steps of a stream.
pub(crate) fn stream_steps(
    frames: &[Frame],
    faults: &Faults,
    pace: Pace,
    serial: u64,
    wire: impl Fn(&str) -> Vec<u8>,
) -> Vec<Step> {
    let mut steps = Vec::with_capacity(frames.len() * 3);
    let stall_at = faults.stall.map(|n| index_after(frames, n));
    let cut_at = faults.cut_event.map(|n| index_after(frames, n));
    let mut jitter = serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    if let Some(first) = faults.slow_first {
        steps.push(Step::Pause(first));
    }
    for (at, frame) in frames.iter().enumerate() {
        if let Some(end) = halt(at, stall_at, cut_at) {
            steps.push(end);
            return cut_bytes(steps, faults.cut);
        }
        if let Some(pause) = pause(at, faults, pace, &mut jitter) {
            steps.push(Step::Pause(pause));
        }
        push_data(&mut steps, &wire(&frame.text), faults.split);
        if frame.kind != Kind::Comment {
            steps.push(Step::EventSent);
        }
    }
    steps.extend(halt(frames.len(), stall_at, cut_at));
    steps.extend(last_flush(faults));
    cut_bytes(steps, faults.cut)
}

fn halt(at: usize, stall_at: Option<usize>, cut_at: Option<usize>) -> Option<Step> {
    if stall_at == Some(at) {
        return Some(Step::Stall);
    }
    (cut_at == Some(at)).then_some(Step::Cut)
}

fn pause(at: usize, faults: &Faults, pace: Pace, jitter: &mut u64) -> Option<Duration> {
    if let Some(gap) = faults.gap {
        return (at > 0).then_some(gap);
    }
    if pace == Pace::None {
        return None;
    }
    if at == 0 {
        return Some(HUMAN_FIRST);
    }
    *jitter ^= *jitter << 13;
    *jitter ^= *jitter >> 7;
    *jitter ^= *jitter << 17;
    let more = *jitter % HUMAN_GAP_MIN_MS;
    Some(Duration::from_millis(HUMAN_GAP_MIN_MS + more))
}

/// The steps of a whole body that faults disturb; `None` if it goes as it is, with its length.
pub(crate) fn whole_steps(opening: &str, body: &[u8], faults: &Faults) -> Option<Vec<Step>> {
    let halts = faults.cut_event.is_some() || faults.stall.is_some();
    let disturbed = halts || faults.cut.is_some() || faults.split.is_some() || faults.wrong_len;
    if !disturbed && opening.is_empty() {
        return None;
    }
    let mut steps = Vec::new();
    for line in opening.split_inclusive('\n') {
        push_data(&mut steps, line.as_bytes(), Some(1));
    }
    let half = body.len() / 2;
    let sent = match faults.stall.or(faults.cut_event) {
        Some(0) => &[],
        Some(_) => body.get(..half).unwrap_or_default(),
        None => body,
    };
    push_data(&mut steps, sent, faults.split);
    if faults.stall.is_some() {
        steps.push(Step::Stall);
    } else if faults.cut_event.is_some() {
        steps.push(Step::Cut);
    }
    steps.extend(last_flush(faults));
    Some(cut_bytes(steps, faults.cut))
}

/// A body that ends before its promised length is cut off by hyper together with what is not yet flushed.
fn last_flush(faults: &Faults) -> Option<Step> {
    faults.wrong_len.then_some(Step::Pause(CUT_FLUSH))
}

fn push_data(steps: &mut Vec<Step>, data: &[u8], split: Option<usize>) {
    let Some(size) = split else {
        if !data.is_empty() {
            steps.push(Step::Data(Bytes::copy_from_slice(data)));
        }
        return;
    };
    for piece in data.chunks(size) {
        steps.push(Step::Data(Bytes::copy_from_slice(piece)));
        steps.push(Step::Pause(Duration::ZERO));
    }
}

/// Lets `limit` bytes through, then cuts.
fn cut_bytes(steps: Vec<Step>, limit: Option<usize>) -> Vec<Step> {
    let Some(mut room) = limit else {
        return steps;
    };
    let mut out = Vec::new();
    for step in steps {
        let Step::Data(data) = step else {
            out.push(step);
            continue;
        };
        if data.len() > room {
            if room > 0 {
                out.push(Step::Data(data.slice(..room)));
            }
            break;
        }
        room -= data.len();
        out.push(Step::Data(data));
    }
    out.push(Step::Cut);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        vec![
            Frame::new(Kind::Comment, ": hi\n\n".into()),
            Frame::data(Kind::Content, "{\"a\":1}"),
            Frame::data(Kind::Finish, "{\"b\":2}"),
            Frame::data(Kind::Done, "[DONE]"),
        ]
    }

    fn texts(suffix: &str) -> String {
        let (_, faults) = crate::faults::read(&format!("m@{suffix}")).unwrap();
        let error = vec![Frame::data(Kind::Error, "{}")];
        let frames = reshape(frames(), &faults, error);
        frames.iter().map(|frame| frame.text.as_str()).collect()
    }

    #[test]
    fn events_are_changed() {
        assert_eq!(
            texts("errorevent:1"),
            ": hi\n\ndata: {\"a\":1}\n\ndata: {}\n\n"
        );
        assert!(!texts("nodone").contains("DONE"));
        assert_eq!(texts("dupfinal").matches("\"b\"").count(), 2);
        assert!(
            texts("badjson:1").contains("data: {\n\n") || texts("badjson:1").contains("data:\n\n")
        );
        assert!(texts("crlf").contains("\r\n\r\n"));
    }

    #[test]
    fn bytes_are_cut() {
        let (_, faults) = crate::faults::read("m@cut:8@split:1").unwrap();
        let steps = stream_steps(&frames(), &faults, Pace::None, 1, |text| text.into());
        let sent = steps.iter().filter(|step| matches!(step, Step::Data(_)));
        assert_eq!(sent.count(), 8);
        assert!(matches!(steps.last(), Some(Step::Cut)));
    }
}
