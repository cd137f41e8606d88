//! A condition as it is evaluated: typed, so that nothing is looked up and nothing can be of the wrong type.
//!
//! Our own instead of the `cel` crate's interpreter, which binds every variable by name into a map for each evaluation:
//! 11 µs for the contract's example, where this takes a few dozen ns. Knows no syntax. Invariants: evaluating allocates nothing;
//! its steps were counted by [`check`](super::check); like in CEL, `false && x` is false and `true || x` true even where
//! `x` fails, whichever side it stands on.

use std::ops::ControlFlow;

use regex_automata::meta::Regex;

use super::WhenFailure;
use super::facts::Facts;
use super::vars::{Count, Flag, Word};

/// What an evaluation reads: the facts, and the element that a macro is at.
#[derive(Clone, Copy)]
pub(super) struct Scope<'e> {
    facts: &'e Facts<'e>,
    item: Item<'e>,
}

/// An element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'e> {
    Number(i64),
    Text(&'e str),
}

impl<'e> Scope<'e> {
    pub(super) fn new(facts: &'e Facts<'e>) -> Self {
        let item = Item::Number(0);
        Self { facts, item }
    }

    fn at(self, item: Item<'e>) -> Self {
        Self { item, ..self }
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Differ,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    fn holds<T: Ord>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Differ => a != b,
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::More => a > b,
            Self::AtLeast => a >= b,
        }
    }
}

/// What is looked for in a text.
pub(super) enum Find {
    Within(Text),
    AtStart(Text),
    AtEnd(Text),
    Pattern(Box<Regex>),
}

/// A macro that gives yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Some,
    Every,
    One,
}

/// Yes or no.
pub(super) enum Truth {
    Is(bool),
    Flag(Flag),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    If(Box<Self>, Box<Self>, Box<Self>),
    /// Whether two truths are the same, or (`false`) are not.
    Same(bool, Box<Self>, Box<Self>),
    Numbers(Compare, Number, Number),
    Texts(Compare, Text, Text),
    Find(Text, Find),
    NumberIn(Number, Series),
    TextIn(Text, Series),
    Found(Text),
    Quantified(Quantifier, Box<Series>, Box<Self>),
}

/// A number, or a grade's position.
pub(super) enum Number {
    Is(i64),
    Count(Count),
    Item,
    Minus(Box<Self>),
    Sum(Arithmetic, Box<Self>, Box<Self>),
    If(Box<Truth>, Box<Self>, Box<Self>),
    /// Characters of a text.
    Characters(Text),
    /// Elements of a list.
    Length(Box<Series>),
    /// Findings of these types.
    Hits(Box<[Box<str>]>),
    /// Findings of the type of that name.
    HitsOf(Text),
}

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// A text.
pub(super) enum Text {
    Is(Box<str>),
    Word(Word),
    Item,
    If(Box<Truth>, Box<Self>, Box<Self>),
}

/// A list. It is never built: its elements pass by.
pub(super) enum Series {
    Numbers(Vec<Number>),
    Texts(Vec<Text>),
    /// The types that were found.
    Hits,
    Filter(Box<Self>, Box<Truth>),
    ToNumbers(Box<Self>, Box<Number>),
    ToTexts(Box<Self>, Box<Text>),
}

type Judged = Result<bool, WhenFailure>;

impl Truth {
    pub(super) fn holds(&self, scope: Scope<'_>) -> Judged {
        match self {
            Self::Is(value) => Ok(*value),
            Self::Flag(flag) => Ok(flag.of(scope.facts)),
            Self::Not(inner) => inner.holds(scope).map(|value| !value),
            Self::And(a, b) => absorbed(a, b, scope, false),
            Self::Or(a, b) => absorbed(a, b, scope, true),
            Self::If(which, yes, no) => {
                let chosen = if which.holds(scope)? { yes } else { no };
                chosen.holds(scope)
            }
            Self::Same(same, a, b) => Ok((a.holds(scope)? == b.holds(scope)?) == *same),
            Self::Numbers(how, a, b) => Ok(how.holds(&a.of(scope)?, &b.of(scope)?)),
            Self::Texts(how, a, b) => Ok(how.holds(&a.of(scope)?, &b.of(scope)?)),
            Self::Find(text, find) => find.holds(text.of(scope)?, scope),
            Self::NumberIn(number, series) => {
                let wanted = Item::Number(number.of(scope)?);
                series.any(scope, &mut |item| Ok(item == wanted))
            }
            Self::TextIn(text, series) => {
                let wanted = text.of(scope)?;
                series.any(scope, &mut |item| Ok(item == Item::Text(wanted)))
            }
            Self::Found(text) => Ok(count(scope, text.of(scope)?) > 0),
            Self::Quantified(how, series, each) => how.holds(series, each, scope),
        }
    }
}

/// `a` and `b` where `decisive` decides the whole, even beside a failure.
fn absorbed(a: &Truth, b: &Truth, scope: Scope<'_>, decisive: bool) -> Judged {
    let first = a.holds(scope);
    if first == Ok(decisive) {
        return Ok(decisive);
    }
    match b.holds(scope) {
        Ok(second) if second == decisive => Ok(decisive),
        second => first.and(second),
    }
}

impl Find {
    fn holds(&self, text: &str, scope: Scope<'_>) -> Judged {
        Ok(match self {
            Self::Within(part) => text.contains(part.of(scope)?),
            Self::AtStart(part) => text.starts_with(part.of(scope)?),
            Self::AtEnd(part) => text.ends_with(part.of(scope)?),
            Self::Pattern(regex) => regex.is_match(text),
        })
    }
}

impl Quantifier {
    fn holds(self, series: &Series, each: &Truth, scope: Scope<'_>) -> Judged {
        match self {
            Self::Some => series.any(scope, &mut |item| each.holds(scope.at(item))),
            Self::Every => series
                .any(scope, &mut |item| {
                    each.holds(scope.at(item)).map(|yes| !yes)
                })
                .map(|exception| !exception),
            Self::One => {
                let mut found = 0_usize;
                series.each(scope, &mut |item| {
                    found += usize::from(each.holds(scope.at(item))?);
                    Ok(ControlFlow::Continue(()))
                })?;
                Ok(found == 1)
            }
        }
    }
}

impl Number {
    fn of(&self, scope: Scope<'_>) -> Result<i64, WhenFailure> {
        match self {
            Self::Is(value) => Ok(*value),
            Self::Count(count) => count.of(scope.facts),
            Self::Item => Ok(match scope.item {
                Item::Number(number) => number,
                Item::Text(_) => 0, // The checker gave the element its type.
            }),
            Self::Minus(inner) => inner.of(scope)?.checked_neg().ok_or(WhenFailure::Overflow),
            Self::Sum(how, a, b) => how.of(a.of(scope)?, b.of(scope)?),
            Self::If(which, yes, no) => {
                let chosen = if which.holds(scope)? { yes } else { no };
                chosen.of(scope)
            }
            Self::Characters(text) => Ok(length(text.of(scope)?.chars().count())),
            Self::Length(series) => {
                let mut n = 0;
                series.each(scope, &mut |_| {
                    n += 1;
                    Ok(ControlFlow::Continue(()))
                })?;
                Ok(length(n))
            }
            Self::Hits(names) => Ok(names
                .iter()
                .fold(0, |n: i64, name| n.saturating_add(count(scope, name)))),
            Self::HitsOf(text) => Ok(count(scope, text.of(scope)?)),
        }
    }
}

fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn count(scope: Scope<'_>, name: &str) -> i64 {
    let hits = scope.facts.hits.iter();
    hits.filter(|hit| hit.0 == name)
        .fold(0, |n: i64, hit| n.saturating_add(hit.1))
}

impl Arithmetic {
    fn of(self, a: i64, b: i64) -> Result<i64, WhenFailure> {
        let value = match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide | Self::Modulo if b == 0 => return Err(WhenFailure::DivisionByZero),
            Self::Divide => a.checked_div(b),
            Self::Modulo => a.checked_rem(b),
        };
        value.ok_or(WhenFailure::Overflow)
    }
}

impl Text {
    fn of<'e>(&'e self, scope: Scope<'e>) -> Result<&'e str, WhenFailure> {
        match self {
            Self::Is(text) => Ok(text),
            Self::Word(word) => word.of(scope.facts),
            Self::Item => Ok(match scope.item {
                Item::Text(text) => text,
                Item::Number(_) => "", // The checker gave the element its type.
            }),
            Self::If(which, yes, no) => {
                let chosen = if which.holds(scope)? { yes } else { no };
                chosen.of(scope)
            }
        }
    }
}

/// What an element decides: whether to go on.
type Step = Result<ControlFlow<()>, WhenFailure>;

impl Series {
    /// Passes the elements to `visit` until it says stop.
    fn each<'e>(
        &'e self,
        scope: Scope<'e>,
        visit: &mut dyn FnMut(Item<'e>) -> Step,
    ) -> Result<(), WhenFailure> {
        self.walk(scope, visit).map(drop)
    }

    fn walk<'e>(&'e self, scope: Scope<'e>, visit: &mut dyn FnMut(Item<'e>) -> Step) -> Step {
        match self {
            Self::Numbers(numbers) => stepping(numbers, &mut |n| visit(Item::Number(n.of(scope)?))),
            Self::Texts(texts) => stepping(texts, &mut |text| visit(Item::Text(text.of(scope)?))),
            Self::Hits => stepping(scope.facts.hits, &mut |hit| match hit.1 {
                1.. => visit(Item::Text(hit.0)),
                _ => Ok(ControlFlow::Continue(())),
            }),
            Self::Filter(series, keep) => series.walk(scope, &mut |item| {
                if keep.holds(scope.at(item))? {
                    visit(item)
                } else {
                    Ok(ControlFlow::Continue(()))
                }
            }),
            Self::ToNumbers(series, number) => series.walk(scope, &mut |item| {
                visit(Item::Number(number.of(scope.at(item))?))
            }),
            Self::ToTexts(series, text) => series.walk(scope, &mut |item| {
                visit(Item::Text(text.of(scope.at(item))?))
            }),
        }
    }

    /// Whether `test` holds for some element; a yes counts even beside elements that fail.
    fn any<'e>(&'e self, scope: Scope<'e>, test: &mut dyn FnMut(Item<'e>) -> Judged) -> Judged {
        let mut found = false;
        let mut failed = None;
        self.each(scope, &mut |item| {
            match test(item) {
                Ok(yes) => found = yes,
                Err(failure) => failed = Some(failure),
            }
            Ok(if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        match failed {
            Some(failure) if !found => Err(failure),
            _ => Ok(found),
        }
    }
}

fn stepping<'e, T>(all: &'e [T], visit: &mut dyn FnMut(&'e T) -> Step) -> Step {
    for one in all {
        if visit(one)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
