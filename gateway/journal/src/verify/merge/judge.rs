//! What was left for the end: indices that no record bears, records that belong together, bodies whose file is gone.
//!
//! Must never read a file. Invariant: what the log says of itself (`lost`, `retired`) excuses what it names and nothing else.

use super::super::part::Gap;
use super::super::report::{NOTICES_MAX, Problem, Report, What};
use super::{Merge, Range};

impl Merge<'_> {
    /// Judges what was left for the end.
    pub(in crate::verify) fn finish(mut self) -> Report {
        self.report.end = self.expected;
        self.gap_to(self.covered.max(self.expected));
        self.report.covered = self.covered;
        self.report.not_covered = self.report.end.saturating_sub(self.covered);
        for root in self.roots.iter().skip(self.next_root) {
            let size = root.checkpoint.size;
            let what = if root.elsewhere {
                What::Fork
            } else {
                What::Root
            };
            let end = self.report.end;
            let detail = format!("it covers {size} entries, and there are {end}: the log was cut");
            self.report.file(what, &root.file, detail);
        }
        self.judge_missing();
        self.judge_pairs();
        self.judge_bodies();
        self.report.finish();
        self.report
    }

    fn judge_missing(&mut self) {
        let below = self.report.retired_below;
        let mut named = std::mem::take(&mut self.lost);
        named.sort_unstable();
        self.report.lost = named.iter().map(|(_, count)| count).sum();
        self.report.lost_ranges = named.iter().copied().take(NOTICES_MAX).collect();
        let is_live = self.report.live;
        for (from, count) in std::mem::take(&mut self.removed) {
            let kept = below.clamp(from, from.saturating_add(count));
            self.report.retired += kept - from;
            if kept < from + count {
                let detail = "gone, although a checkpoint covers it";
                self.missing(What::Removed, kept, from + count - kept, detail);
            }
        }
        for (from, count) in std::mem::take(&mut self.absent_ranges) {
            let kept = below.clamp(from, from.saturating_add(count));
            self.report.retired += kept - from;
            for (from, count) in without(kept, from + count - kept, &named) {
                // A live journal names what it lost when the disk takes records again.
                if !is_live {
                    self.missing(
                        What::Missing,
                        from,
                        count,
                        "no record bears it and none says why",
                    );
                }
            }
        }
        for (from, count) in std::mem::take(&mut self.uncovered) {
            for (from, count) in without(from, count, &named) {
                if !is_live && from >= below {
                    let detail = "gone, or never written; no checkpoint covers it";
                    self.missing(What::Missing, from, count, detail);
                }
            }
        }
        for (file, gap) in std::mem::take(&mut self.damages) {
            if gap.told {
                continue;
            }
            self.report.add(Problem {
                what: What::Damaged,
                index: gap.after.map(|after| after + 1),
                count: None,
                file,
                offset: Some(gap.offset),
                detail: format!("{} bytes are no record", gap.bytes),
            });
        }
    }

    /// Indices that are missing; where damage lies between their neighbours, that is where they were.
    fn missing(&mut self, what: What, from: u64, count: u64, detail: &str) {
        let around = |gap: &Gap| {
            gap.after.is_none_or(|after| after < from)
                && gap.before.is_none_or(|before| before > from)
        };
        let mut problem = Problem {
            what,
            index: Some(from),
            count: Some(count),
            file: String::new(),
            offset: None,
            detail: detail.to_owned(),
        };
        if let Some((file, gap)) = self.damages.iter_mut().find(|(_, gap)| around(gap)) {
            gap.told = true;
            problem.file.clone_from(file);
            problem.offset = Some(gap.offset);
            problem.detail += &format!("; {} bytes there are no record", gap.bytes);
        }
        self.report.add(problem);
    }

    fn judge_pairs(&mut self) {
        let below = self.report.retired_below;
        let mut open: Vec<(u64, u32)> = std::mem::take(&mut self.open).into_iter().collect();
        open.sort_unstable();
        for (index, epoch) in open {
            if epoch >= self.newest_epoch {
                self.report.open += 1;
            } else if index >= below {
                self.report.add(Problem {
                    what: What::NoOutcome,
                    index: Some(index),
                    count: Some(1),
                    file: String::new(),
                    offset: None,
                    detail: "the request was opened before the last start, and no record closes it"
                        .to_owned(),
                });
            }
        }
        let gone: Vec<(u64, u64)> = self
            .report
            .problems
            .iter()
            .filter(|problem| matches!(problem.what, What::Removed | What::Missing))
            .filter_map(|problem| Some((problem.index?, problem.count?)))
            .collect();
        for (index, opening) in std::mem::take(&mut self.orphans) {
            let is_gone = |(from, count): &(u64, u64)| (*from..from + count).contains(&opening);
            if opening >= below && !gone.iter().any(is_gone) {
                self.report.add(Problem {
                    what: What::Unpaired,
                    index: Some(index),
                    count: Some(1),
                    file: String::new(),
                    offset: None,
                    detail: format!("it closes {opening}, which is not open"),
                });
            }
        }
    }

    fn judge_bodies(&mut self) {
        let gone = std::mem::take(&mut self.bodies_gone);
        if self.bodies_retired {
            self.report.bodies_retired = gone.len() as u64;
            return;
        }
        for index in gone {
            self.report.add(Problem {
                what: What::Body,
                index: Some(index),
                count: Some(1),
                file: String::new(),
                offset: None,
                detail: "the file of its body is gone, and no event says why".to_owned(),
            });
        }
    }
}

/// What is left of a stretch without those of `named`, which is sorted.
fn without(from: u64, count: u64, named: &[Range]) -> Vec<Range> {
    let (mut at, to) = (from, from.saturating_add(count));
    let mut left = Vec::new();
    for (first, count) in named {
        let end = first.saturating_add(*count);
        if end <= at || *first >= to {
            continue;
        }
        if *first > at {
            left.push((at, first - at));
        }
        at = end.min(to);
    }
    if at < to {
        left.push((at, to - at));
    }
    left
}
