//! What was probably meant: the one of the known names that is closest to the one given.
//!
//! Knows letters only.

/// Letters of a name that count: names of a config are short.
const CHARS_MAX: usize = 64;

/// The one of `known` that `given` was probably meant to be: close in letters, or the same but for case.
pub fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = given.to_lowercase();
    let near = (given.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .filter(|(far, _)| *far <= near)
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Letters to change, insert, remove or swap with their neighbour to get from `a` to `b`. Both are names from a config:
/// short, and cut here in any case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(CHARS_MAX).collect();
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |line: &[usize], k: usize| line.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near() {
        let known = ["clearance", "location", "vendor", "base_url"];
        for (given, expected) in [
            ("clearence", Some("clearance")),
            ("Location", Some("location")),
            ("vednor", Some("vendor")),
            ("baseurl", Some("base_url")),
            ("x", None),
            ("temperature", None),
        ] {
            assert_eq!(suggest(given, known).as_deref(), expected, "{given}");
        }
    }
}
