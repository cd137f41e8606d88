//! Word lists: what counts as a word, in whole texts and in pieces.

use proptest::prelude::*;

use super::*;
use crate::scan::view::{ALNUM, is};

fn found(words: &Words, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let end = words.advance(text, 0, true, |category, start, end| {
        found.push((category, text[start..end].to_owned()));
    });
    assert_eq!(end, text.len());
    found
}

fn words() -> Words {
    Words::build([
        (
            "gambling".to_owned(),
            vec!["赌博", "赌博网站", "casino", "赌a"],
        ),
        (
            "drugs".to_owned(),
            vec!["毒品", "ass", "Ｃ++", "毒", "¥1", "c+"],
        ),
    ])
    .unwrap()
}

#[test]
fn words_are_found_whole_and_the_longest_counts() {
    let words = words();
    for (text, expected) in [
        ("这个赌博网站", &[(0, "赌博网站")][..]),
        ("赌博网 毒品", &[(0, "赌博"), (1, "毒品")]),
        ("the CaSINO, a class", &[(0, "CaSINO")]),
        ("casinos 赌abc 赌a 赌", &[(0, "赌a")]),
        (
            "xc++ C++ c+ C+a ¥1, ¥12",
            &[(1, "C++"), (1, "c+"), (1, "C+"), (1, "¥1")],
        ),
        ("毒毒品毒", &[(1, "毒"), (1, "毒品"), (1, "毒")]),
        ("一切正常", &[]),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|(c, w)| (*c, (*w).to_owned()))
            .collect();
        assert_eq!(found(&words, text), expected, "{text}");
    }
}

#[test]
fn a_stream_waits_for_what_may_become_a_word() {
    let words = words();
    for (text, alive) in [
        ("这个赌", 6),
        ("这个赌博", 6),
        ("好的", 6),
        ("a cas", 2),
        ("毒品", 6),
        ("x casino", 2),
        ("x casi no", 9),
        ("x dog", 5),
    ] {
        assert_eq!(words.advance(text, 0, false, |_, _, _| ()), alive, "{text}");
    }
}

#[test]
fn many_words_that_begin_alike_are_told_apart() {
    let list: Vec<String> = (0..3000).map(|i| format!("开头{i:04}尾")).collect();
    let lists = [("l".to_owned(), list.iter().map(String::as_str).collect())];
    let words = Words::build(lists).unwrap();
    for word in &list {
        assert_eq!(found(&words, &format!("x{word}y")), [(0, word.clone())]);
    }
    assert_eq!(found(&words, "开头3000尾"), []);
}

#[test]
fn bounds_are_kept() {
    let long = "长".repeat(100);
    let error = Words::build([("c".to_owned(), vec!["ok", long.as_str()])]).unwrap_err();
    assert_eq!(
        error,
        WordError::TooLong {
            category: "c".to_owned(),
            index: 1
        }
    );
}

/// The words of a text as anyone would look for them.
fn naive(list: &[String], text: &str) -> Vec<(usize, usize)> {
    let alnum = |b: Option<&u8>| b.is_some_and(|&b| is(b, ALNUM));
    let bytes = text.as_bytes();
    let stands = |word: &str, at: usize| {
        let (word, end) = (word.as_bytes(), at + word.len());
        bytes
            .get(at..end)
            .is_some_and(|here| here.eq_ignore_ascii_case(word))
            && !(alnum(word.first()) && at > 0 && alnum(bytes.get(at - 1)))
            && !(alnum(word.last()) && alnum(bytes.get(end)))
    };
    let (mut at, mut found) = (0, Vec::new());
    while let Some(c) = text[at..].chars().next() {
        let standing = list.iter().filter(|word| stands(word, at));
        let Some(length) = standing.map(String::len).max() else {
            at += c.len_utf8();
            continue;
        };
        found.push((at, at + length));
        at += length;
    }
    found
}

/// That words are those of the naive finder, in the whole text and however it is cut.
fn check<const N: usize>(
    list: &[String],
    text: &str,
    pieces: &[usize],
) -> Result<(), TestCaseError> {
    let words = list.iter().map(|word| (word.to_ascii_lowercase(), 0));
    let lists = Lists::<N>::new(words.collect());
    let (expected, bytes) = (naive(list, text), text.as_bytes());
    let mut found = Vec::new();
    lists.advance(bytes, 0, true, |_, start, end| found.push((start, end)));
    prop_assert_eq!(&found, &expected);
    found.clear();
    let ends: Vec<usize> = text.char_indices().map(|(i, _)| i).collect();
    let (mut at, mut n) = (0, 0);
    for piece in pieces.iter().cycle() {
        n += piece;
        let end = ends.get(n).copied().unwrap_or(text.len());
        let finished = end == text.len();
        at = lists.advance(&bytes[..end], at, finished, |_, start, end| {
            found.push((start, end));
        });
        if finished {
            break;
        }
    }
    prop_assert_eq!(&found, &expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// In each size; in the smallest, most words stand together by chance.
    #[test]
    fn words_are_those_of_a_naive_finder(
        list in proptest::collection::vec("[赌博网毒]{1,3}|[赌博网毒aB1+é😀]{1,4}|[赌博]{2,9}|[ab]{1,12}|[ +]a", 1..40),
        text in "([赌博网毒]|[赌博网毒]{0,12}|[abAB1+ .é😀]{0,3}|[ab]{0,40} ){0,12}",
        pieces in proptest::collection::vec(1usize..9, 1..20),
    ) {
        check::<2>(&list, &text, &pieces)?;
        check::<{ 1 << 7 }>(&list, &text, &pieces)?;
        check::<{ 1 << 11 }>(&list, &text, &pieces)?;
        check::<{ 1 << 14 }>(&list, &text, &pieces)?;
    }
}
