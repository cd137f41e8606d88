//! From the syntax tree to a typed condition, or to the first thing that is wrong with it.
//!
//! The parser's crate does not check types; this does, and counts what judging may cost. Knows no facts. Invariants: what
//! it passes cannot fail on a type; every error names a place; it looks at no more than [`NODES_MAX`] nodes.

mod call;
mod macros;

use cel::IdedExpr;
use cel::common::ast::{Expr, ListExpr, LiteralValue, SelectExpr};

use super::parse::{Parsed, too_many};
use super::tree::{Compare, Number, Series, Text, Truth};
use super::vars::{self, Count, FIELDS, LOCATIONS, ROOTS, Var, Word, hint};
use super::{COST_MAX, NODES_MAX, Names, WhenError};
use crate::scan::entity::Entity;

/// A condition that was found good.
pub(super) struct Checked {
    pub(super) truth: Truth,
    pub(super) reads_target: bool,
    pub(super) types: Vec<Box<str>>,
}

pub(super) fn check(
    parsed: &Parsed,
    source: &str,
    names: &Names<'_>,
) -> Result<Checked, WhenError> {
    let mut checker = Checker {
        parsed,
        source,
        names,
        nodes: 0,
        cost: 0,
        times: 1,
        item: None,
        reads_target: false,
        types: Vec::new(),
    };
    let root = &parsed.root;
    match checker.typed(root)? {
        Typed::Truth(truth) => Ok(Checked {
            truth,
            reads_target: checker.reads_target,
            types: checker.types,
        }),
        other => {
            let message = format!("a condition is true or false; this is {}", other.kind());
            Err(checker.error(root, message))
        }
    }
}

/// Steps of looking a type up among the hits.
const LOOKUP_COST: u64 = 16;

/// A value and its type.
enum Typed {
    Truth(Truth),
    Number(Number),
    Grade(Number),
    Text(Text),
    Series(Series, Of),
    Hits,
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Numbers,
    Texts,
}

impl Typed {
    fn kind(&self) -> &'static str {
        match self {
            Self::Truth(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Grade(_) => "a grade",
            Self::Text(_) => "text",
            Self::Series(..) => "a list",
            Self::Hits => "the map of hits",
        }
    }
}

struct Checker<'a> {
    parsed: &'a Parsed,
    source: &'a str,
    names: &'a Names<'a>,
    nodes: usize,
    cost: u64,
    /// How often the part that is being looked at may be judged.
    times: u64,
    /// The element of the macro that is being looked at.
    item: Option<(&'a str, Of)>,
    reads_target: bool,
    types: Vec<Box<str>>,
}

type Found = Result<Typed, WhenError>;

impl<'a> Checker<'a> {
    fn typed(&mut self, node: &'a IdedExpr) -> Found {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(too_many(self.at(node)));
        }
        self.charge(node, 1)?;
        match &node.expr {
            Expr::Literal(value) => self.literal(node, value),
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => self.list(node, list),
            Expr::Comprehension(comprehension) => self.expanded(node, comprehension),
            Expr::Map(_) => Err(self.error(node, "maps cannot be written here")),
            Expr::Struct(_) => Err(self.error(node, "messages cannot be written here")),
            Expr::Unspecified => Err(self.error(node, "cannot be parsed")),
        }
    }

    /// Counts `steps` for each time that this part may be judged.
    fn charge(&mut self, node: &IdedExpr, steps: u64) -> Result<(), WhenError> {
        self.cost = self.cost.saturating_add(steps.saturating_mul(self.times));
        if self.cost > COST_MAX {
            let message = format!("too costly: judging it may take more than {COST_MAX} steps");
            return Err(self.error(node, message));
        }
        Ok(())
    }

    fn at(&self, node: &IdedExpr) -> usize {
        let place = self.parsed.places.offset_for(node.id);
        let at = place.and_then(|(start, _)| usize::try_from(start).ok());
        let mut at = at.unwrap_or(0).min(self.source.len());
        while !self.source.is_char_boundary(at) {
            at -= 1;
        }
        // A call's place is its bracket; its name says more.
        let name = match &node.expr {
            Expr::Call(call) => call.func_name.len(),
            _ => 0,
        };
        let start = at.saturating_sub(name);
        match (&node.expr, self.source.get(start..at)) {
            (Expr::Call(call), Some(before)) if before == call.func_name => start,
            _ => at,
        }
    }

    fn error(&self, node: &IdedExpr, message: impl Into<String>) -> WhenError {
        WhenError::new(self.at(node), message)
    }

    fn literal(&self, node: &IdedExpr, value: &LiteralValue) -> Found {
        Ok(match value {
            LiteralValue::Boolean(value) => Typed::Truth(Truth::Is(*value.inner())),
            LiteralValue::Int(value) => Typed::Number(Number::Is(*value.inner())),
            LiteralValue::String(value) => Typed::Text(Text::Is(value.inner().into())),
            LiteralValue::Double(_) | LiteralValue::UInt(_) => {
                return Err(self.error(node, "numbers here are whole and have no suffix"));
            }
            LiteralValue::Bytes(_) => return Err(self.error(node, "write text without `b`")),
            LiteralValue::Null => {
                let message = "nothing here is ever null; compare with \"\", or use has()";
                return Err(self.error(node, message));
            }
        })
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Found {
        if let Some((item, of)) = self.item
            && item == name
        {
            return Ok(match of {
                Of::Numbers => Typed::Number(Number::Item),
                Of::Texts => Typed::Text(Text::Item),
            });
        }
        if let Some(var) = vars::field(name, "") {
            return self.read(node, var);
        }
        if name == "hits" {
            return Ok(Typed::Hits);
        }
        if ROOTS.contains(&name) {
            let known: Vec<&str> = vars::fields(name).collect();
            let message = format!("`{name}` has fields: name one of {}", known.join(", "));
            return Err(self.error(node, message));
        }
        let message = format!("unknown variable `{name}`{}", hint(name, ROOTS));
        Err(self.error(node, message))
    }

    fn read(&mut self, node: &IdedExpr, var: Var) -> Found {
        Ok(match var {
            Var::Flag(flag) => Typed::Truth(Truth::Flag(flag)),
            Var::Count(count) => {
                if count == Count::HitsTotal {
                    self.charge(node, LOOKUP_COST)?;
                }
                Typed::Number(Number::Count(count))
            }
            Var::Grade(count) => Typed::Grade(Number::Count(count)),
            Var::Word(word) => Typed::Text(Text::Word(word)),
        })
    }

    fn select(&mut self, node: &'a IdedExpr, select: &'a SelectExpr) -> Found {
        let Expr::Ident(root) = &select.operand.expr else {
            return Err(self.error(node, format!("there is no field `{}` here", select.field)));
        };
        if root == "hits" {
            let number = match select.field.as_str() {
                "total" => self.read(node, Var::Count(Count::HitsTotal))?,
                name => Typed::Number(self.hits_of(node, name)?),
            };
            return Ok(match number {
                Typed::Number(number) if select.test => Typed::Truth(positive(number)),
                number => number,
            });
        }
        let Some(var) = vars::field(root, &select.field) else {
            return Err(self.no_field(node, select, root));
        };
        self.reads_target |= root == "provider";
        match (select.test, self.read(node, var)?) {
            (false, value) => Ok(value),
            (true, Typed::Text(text)) => {
                let empty = Text::Is("".into());
                Ok(Typed::Truth(Truth::Texts(Compare::Differ, text, empty)))
            }
            (true, _) => {
                let message = format!("`{root}.{}` is always there", select.field);
                Err(self.error(node, message))
            }
        }
    }

    fn no_field(&self, node: &IdedExpr, select: &SelectExpr, root: &str) -> WhenError {
        if vars::field(root, "").is_some() {
            return self.error(node, format!("`{root}` has no fields"));
        }
        if self.item.is_some_and(|(item, _)| item == root) {
            return self.error(node, format!("an element, `{root}`, has no fields"));
        }
        if !FIELDS.iter().any(|(known, ..)| *known == root) {
            let message = format!("unknown variable `{root}`{}", hint(root, ROOTS));
            return self.error(&select.operand, message);
        }
        let field = &select.field;
        let hint = hint(field, vars::fields(root));
        self.error(node, format!("unknown field `{root}.{field}`{hint}"))
    }

    /// Findings of the types that `name` means.
    fn hits_of(&mut self, node: &IdedExpr, name: &str) -> Result<Number, WhenError> {
        let types: Vec<Box<str>> = (self.names.sorts)(name)
            .into_iter()
            .map(String::into_boxed_str)
            .collect();
        if types.is_empty() {
            let known = Entity::ALL.iter().map(|entity| entity.name());
            let message = format!("`{name}` is no type of finding{}", hint(name, known));
            return Err(self.error(node, message));
        }
        let steps = LOOKUP_COST.saturating_mul(u64::try_from(types.len()).unwrap_or(u64::MAX));
        self.charge(node, steps)?;
        for name in &types {
            if !self.types.contains(name) {
                self.types.push(name.clone());
            }
        }
        Ok(Number::Hits(types.into()))
    }

    fn list(&mut self, node: &'a IdedExpr, list: &'a ListExpr) -> Found {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for element in &list.elements {
            match self.typed(element)? {
                Typed::Number(number) => numbers.push(number),
                Typed::Text(text) => texts.push(text),
                other => {
                    let message = format!("a list is of texts or numbers, not {}", other.kind());
                    return Err(self.error(element, message));
                }
            }
        }
        match (numbers.is_empty(), texts.is_empty()) {
            (false, true) => Ok(Typed::Series(Series::Numbers(numbers), Of::Numbers)),
            (true, false) => Ok(Typed::Series(Series::Texts(texts), Of::Texts)),
            (true, true) => Err(self.error(node, "an empty list holds nothing")),
            (false, false) => Err(self.error(node, "a list is of texts or of numbers, not both")),
        }
    }

    /// The position of the grade `name`.
    fn rank(&self, node: &IdedExpr, name: &str) -> Result<Number, WhenError> {
        let grades = self.names.grades;
        match grades.iter().position(|grade| grade == name) {
            Some(rank) => Ok(Number::Is(i64::try_from(rank).unwrap_or(i64::MAX))),
            None => {
                let hint = hint(name, grades.iter().map(String::as_str));
                Err(self.error(node, format!("there is no grade `{name}`{hint}")))
            }
        }
    }

    /// Complains of a text that `word` can never be.
    fn possible(&self, node: &IdedExpr, word: &Text, text: &Text) -> Result<(), WhenError> {
        match (word, text) {
            (Text::Word(Word::Location), Text::Is(text)) if !LOCATIONS.contains(&&**text) => {
                let hint = hint(text, LOCATIONS);
                Err(self.error(node, format!("there is no location `{text}`{hint}")))
            }
            _ => Ok(()),
        }
    }
}

fn positive(number: Number) -> Truth {
    Truth::Numbers(Compare::More, number, Number::Is(0))
}
