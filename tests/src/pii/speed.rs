//! How fast everything is looked for: whole texts, prompts, events of a stream, with and without word lists.
//!
//! Each figure is the best of some rounds, since others use the machine too.

use std::time::Instant;

use policies::scan::{Grade, Set, Stream, WordList};

use super::random::Random;

const ROUNDS: usize = 40;
const PAIRED_ROUNDS: usize = 200;
const LISTED_WORDS: usize = 10_000;
const PROMPT_BYTES: usize = 1024;

/// A set of the built-in entities alone.
///
/// # Panics
/// If the product refuses it.
#[must_use]
pub fn built_in() -> Set {
    Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).expect("no names to collide")
}

/// A set with ten thousand words made of the text's own characters, most of which are not in it.
///
/// # Panics
/// If the product refuses them.
#[must_use]
pub fn listed(text: &str) -> Set {
    let r = &mut Random::new(3);
    let chars: Vec<char> = text
        .chars()
        .filter(|c| *c > '\u{4e00}')
        .take(4000)
        .collect();
    let words: Vec<String> = (0..LISTED_WORDS)
        .map(|_| {
            (0..r.range(2, 5))
                .map(|_| chars[r.below(chars.len())])
                .collect()
        })
        .collect();
    let lists = words.chunks(500).enumerate().map(|(i, words)| WordList {
        name: format!("LIST_{i}"),
        group: None,
        grade: Grade::LOWEST,
        words: words.to_vec(),
    });
    Set::build(Vec::new(), lists.collect(), &|_, _, grade| grade)
        .expect("the words are few and short")
}

/// The best of some rounds, in seconds.
fn best(mut round: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// MB/s of scanning a text.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a length")]
pub fn rate(set: &Set, text: &str) -> f64 {
    let mut found = Vec::new();
    let seconds = best(|| {
        found.clear();
        set.scan("", std::hint::black_box(text), &mut found);
        std::hint::black_box(&found);
    });
    text.len() as f64 / seconds / 1e6
}

/// The same of two sets in turn, so that what others do on the machine meets both alike.
#[expect(clippy::cast_precision_loss, reason = "a length")]
fn rates(sets: [&Set; 2], text: &str) -> [f64; 2] {
    let mut found = Vec::new();
    let mut best = [f64::MAX; 2];
    for _ in 0..PAIRED_ROUNDS {
        for (set, best) in sets.into_iter().zip(&mut best) {
            let start = Instant::now();
            found.clear();
            set.scan("", std::hint::black_box(text), &mut found);
            std::hint::black_box(&found);
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best.map(|seconds| text.len() as f64 / seconds / 1e6)
}

/// Microseconds of one event of a stream, of some ten characters.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count")]
pub fn event(set: &Set, text: &str) -> f64 {
    let places: Vec<usize> = text.char_indices().map(|(i, _)| i).step_by(8).collect();
    let mut found = Vec::new();
    let seconds = best(|| {
        let mut stream = Stream::new();
        found.clear();
        for pair in places.windows(2) {
            let piece = &text[pair[0]..pair[1]];
            stream.push(set, std::hint::black_box(piece), &mut found);
        }
        std::hint::black_box(&found);
    });
    seconds * 1e6 / places.len() as f64
}

/// What the report says of speed.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// MB/s of prose.
    pub prose: f64,
    /// MB/s of text dense with digits and identifiers.
    pub dense: f64,
    /// MB/s of prose with ten thousand words.
    pub listed: f64,
    /// Microseconds of a prompt of 1 KiB.
    pub prompt: f64,
    /// Microseconds of one event of a stream.
    pub event: f64,
}

impl Times {
    /// Measures.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a length")]
    pub fn of(prose: &str, dense: &str) -> Self {
        let set = built_in();
        let prompts: Vec<&str> = prompts(prose);
        let mut found = Vec::new();
        let prompt = best(|| {
            for prompt in &prompts {
                found.clear();
                set.scan("", std::hint::black_box(prompt), &mut found);
            }
        });
        let [plain, with_words] = rates([&set, &listed(prose)], prose);
        Self {
            prose: plain,
            dense: rate(&set, dense),
            listed: with_words,
            prompt: prompt * 1e6 / prompts.len() as f64,
            event: event(&set, prose),
        }
    }
}

/// The text in pieces of about 1 KiB.
fn prompts(text: &str) -> Vec<&str> {
    let mut rest = text;
    let mut prompts = Vec::new();
    while rest.len() > PROMPT_BYTES {
        let mut at = PROMPT_BYTES;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (prompt, next) = rest.split_at(at);
        prompts.push(prompt);
        rest = next;
    }
    prompts
}
