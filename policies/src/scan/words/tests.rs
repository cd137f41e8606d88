//! Word lists: what counts as a word, in whole texts and in pieces.

use super::*;

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
