//! The stepper for streams: text comes in pieces, findings and a point up to which all is decided go out.
//!
//! Runs the same scan as for whole texts over what is not decided yet, with the text before as context. Invariants: the
//! findings of a stream are those of the whole text, wherever it was cut; at most [`HELD_MAX`] bytes wait, since every
//! finder reads a bounded stretch; nothing decided is judged again.

use super::engine::{Hit, Scan, raw_hit};
use super::fold::{self, BACK};
use super::site::Last;
use super::view::{LOOK_BEHIND, View};

/// What may wait at most, in bytes of folded text: an unfinished private key, and a little for what stands around it.
pub const HELD_MAX: usize = 17 * 1024;
/// Decided text that is kept before it is trimmed to [`LOOK_BEHIND`].
const KEPT_MAX: usize = 2 * LOOK_BEHIND;

/// A scan over a text that is still coming in. One for each lane: choice, part, tool call.
#[derive(Debug, Default)]
pub struct Window {
    /// Folded text that is decided: context.
    context: String,
    /// The text as given that is not decided, behind at most [`BACK`] bytes that are.
    raw: String,
    /// Where the undecided part of `raw` begins.
    raw_from: usize,
    /// Bytes of the stream that are decided.
    decided: u64,
    last: Last,
}

impl Window {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; `report` gets each finding, in order. Returns up to where, in bytes from the stream's
    /// beginning, everything is decided: text before that may go, save for what was reported.
    pub fn push(&mut self, piece: &str, report: impl FnMut(Hit)) -> u64 {
        self.raw.push_str(piece);
        self.step(false, report)
    }

    /// The stream is over: decides what is left. Returns its length.
    pub fn finish(&mut self, report: impl FnMut(Hit)) -> u64 {
        self.step(true, report)
    }

    /// How many bytes wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.raw.len() - self.raw_from
    }

    fn step(&mut self, finished: bool, mut report: impl FnMut(Hit)) -> u64 {
        if self.held() == 0 {
            return self.decided;
        }
        let folded = fold::fold(&self.raw, self.raw_from, finished);
        let base = self.context.len();
        self.context.push_str(&folded.text);
        let view = View::new(&self.context, finished);
        let mut scan = Scan::new(&view, base, self.last);
        // The stream's offset of `raw`'s first byte.
        let offset = usize::try_from(self.decided).unwrap_or(usize::MAX) - self.raw_from;
        let alive = scan.run(|found| {
            let hit = raw_hit(&self.raw, &folded, base, found);
            report(Hit {
                start: hit.start + offset,
                end: hit.end + offset,
                ..hit
            });
        });
        self.last = scan.last();
        let raw_alive = if alive >= view.len() {
            folded.upto
        } else {
            folded.map.start(alive - base)
        };
        self.context.truncate(alive);
        self.decided += (raw_alive - self.raw_from) as u64;
        self.trim(raw_alive);
        debug_assert!(self.held() <= HELD_MAX * 8, "a finder holds too much");
        self.decided
    }

    /// Forgets what no finder can look back to.
    fn trim(&mut self, raw_alive: usize) {
        let mut keep = raw_alive.saturating_sub(BACK + 8);
        while !self.raw.is_char_boundary(keep) {
            keep -= 1;
        }
        self.raw.drain(..keep);
        self.raw_from = raw_alive - keep;
        if self.context.len() > KEPT_MAX {
            let mut cut = self.context.len() - LOOK_BEHIND - 8;
            while !self.context.is_char_boundary(cut) {
                cut -= 1;
            }
            self.context.drain(..cut);
            if self.last.end > cut {
                self.last.end -= cut;
            } else {
                self.last = Last::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;
    use proptest::prelude::*;

    const PIECES: &[&str] = &[
        "13800138000",
        "张伟",
        "，",
        "电话",
        " ",
        "11010519491231002X",
        "\\u0031",
        "%31%33",
        "&#49;",
        "：",
        "身份证号",
        "王先生",
        "\n",
        "6222021000112233449",
        "zhang.san@example.com",
        "北京市朝阳区建国路88号3号楼502室",
        "今天天气不错",
        "hello world",
        "一三八零零一三八零零零",
        "1 3 8 0 0 1 3 8 0 0 0",
        "password: Tr0ub4dor&3x",
        "sk-0123456789abcdef0123456789abcdef",
        "\u{200b}",
        "１３８",
        "+86 138-0013-8000",
        "(010) 62345678",
        "京A12345",
        "\t",
        "|",
        "姓名\t手机\n李娜\t13912345678\n",
        "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
        "192.168.1.20",
        "v1.2.3",
        "A123456(3)",
        "0",
        "x",
        "-",
        ".",
        "mysql://root:pa55@db/app",
        "1\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "患者王芳因发热",
        "Dear Mr. John Smith",
        "出生日期1990年3月5日",
        "\"name\":\"李雷\"",
        "39.9042, 116.4074",
        "军字第1234567号",
        "2001:db8::8a2e:370:7334",
        "欧阳",
        "微信号：zhang_san88",
        "订单号",
        "2023",
        "/",
        "\\",
        "%",
        "&",
        "+",
        "(",
        "😀",
        "é",
        "的",
        "省",
        "号",
    ];

    fn cut_scan(text: &str, cuts: &[usize]) -> Vec<Hit> {
        let mut window = Window::new();
        let mut hits = Vec::new();
        let mut from = 0;
        let mut decided = 0;
        for &cut in cuts.iter().chain([&text.len()]) {
            let now = window.push(&text[from..cut], |hit| {
                assert!(hit.start as u64 >= decided, "a hit in what was released");
                hits.push(hit);
            });
            assert!(now >= decided);
            assert!(hits.last().is_none_or(|hit| hit.end as u64 <= now));
            decided = now;
            from = cut;
        }
        let end = window.finish(|hit| hits.push(hit));
        assert_eq!(end as usize, text.len(), "all is decided at the end");
        hits
    }

    #[test]
    fn every_single_cut_gives_the_whole() {
        for pair in PIECES.windows(4) {
            let text = pair.concat();
            let whole = scan(&text);
            for cut in (0..=text.len()).filter(|&i| text.is_char_boundary(i)) {
                assert_eq!(cut_scan(&text, &[cut]), whole, "{text:?} cut at {cut}");
            }
            let all: Vec<usize> = (0..=text.len())
                .filter(|&i| text.is_char_boundary(i))
                .collect();
            assert_eq!(cut_scan(&text, &all), whole, "{text:?} cut everywhere");
        }
    }

    #[test]
    fn long_texts_are_trimmed_and_prose_does_not_wait() {
        let text = "今天天气不错，我们去公园走走吧。电话13800138000。".repeat(300);
        let whole = scan(&text);
        assert_eq!(whole.len(), 300);
        let cuts: Vec<usize> = text.char_indices().map(|(i, _)| i).step_by(7).collect();
        assert_eq!(cut_scan(&text, &cuts), whole);
        let mut window = Window::new();
        window.push("这里的风景很美丽", |_| {});
        assert!(window.held() <= 24, "{}", window.held());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn any_cuts_give_the_whole(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 1..10),
            marks in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let text = pieces.concat();
            let boundaries: Vec<usize> = (0..=text.len()).filter(|&i| text.is_char_boundary(i)).collect();
            let mut cuts: Vec<usize> = marks.iter().map(|m| *m.get(&boundaries)).collect();
            cuts.sort_unstable();
            prop_assert_eq!(cut_scan(&text, &cuts), scan(&text), "{:?} {:?}", text, cuts);
        }
    }
}
