//! Operators and functions.
//!
//! Knows their operands' types and what they cost, nothing of where they stand.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators as op};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use super::super::tree::{Arithmetic, Compare, Find, Number, Series, Text, Truth};
use super::super::vars::{Count, hint};
use super::super::{PATTERN_BYTES_MAX, WhenError};
use super::{Checker, Found, LOOKUP_COST, Of, Typed, positive};

/// The functions, for suggestions.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "has",
    "grade_at_least",
    "exists",
    "all",
    "exists_one",
    "filter",
    "map",
    "in",
];
/// Steps of a search in a text, and of one for a pattern.
const SEARCH_COST: u64 = 4;
const PATTERN_COST: u64 = 32;
/// Memory of a compiled pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Nesting in a pattern.
const PATTERN_NEST_MAX: u32 = 16;

impl<'a> Checker<'a> {
    pub(super) fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr) -> Found {
        let args: Vec<&'a IdedExpr> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        let name = call.func_name.as_str();
        match (name, args.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR, &[a, b]) => {
                let (a, b) = (Box::new(self.truth(a)?), Box::new(self.truth(b)?));
                Ok(Typed::Truth(match name {
                    op::LOGICAL_AND => Truth::And(a, b),
                    _ => Truth::Or(a, b),
                }))
            }
            (op::LOGICAL_NOT, &[a]) => Ok(Typed::Truth(Truth::Not(Box::new(self.truth(a)?)))),
            (op::CONDITIONAL, &[which, yes, no]) => self.conditional(which, yes, no),
            (op::NEGATE, &[a]) => match self.typed(a)? {
                Typed::Number(number) => Ok(Typed::Number(Number::Minus(Box::new(number)))),
                other => Err(self.error(a, format!("a number is expected, not {}", other.kind()))),
            },
            (op::IN, &[a, b]) => self.within(a, b),
            (op::INDEX, &[a, b]) => self.index(node, a, b),
            (_, &[a, b]) if comparison(name).is_some() => {
                let how = comparison(name).unwrap_or(Compare::Equal);
                self.compare(node, how, a, b)
            }
            (_, &[a, b]) if arithmetic(name).is_some() => {
                let how = arithmetic(name).unwrap_or(Arithmetic::Add);
                self.arithmetic(how, a, b)
            }
            ("size", &[a]) => self.size(a),
            ("contains" | "startsWith" | "endsWith", &[a, b]) if call.target.is_some() => {
                self.charge(node, SEARCH_COST)?;
                let (text, part) = (self.text(a)?, self.text(b)?);
                let find = match name {
                    "contains" => Find::Within(part),
                    "startsWith" => Find::AtStart(part),
                    _ => Find::AtEnd(part),
                };
                Ok(Typed::Truth(Truth::Find(text, find)))
            }
            ("matches", &[a, b]) => {
                self.charge(node, PATTERN_COST)?;
                let text = self.text(a)?;
                let find = Find::Pattern(self.pattern(b)?);
                Ok(Typed::Truth(Truth::Find(text, find)))
            }
            ("grade_at_least", &[a]) if call.target.is_none() => match &a.expr {
                Expr::Literal(LiteralValue::String(name)) => {
                    let (grade, least) = (Number::Count(Count::Grade), self.rank(a, name.inner())?);
                    Ok(Typed::Truth(Truth::Numbers(Compare::AtLeast, grade, least)))
                }
                _ => Err(self.error(a, "a grade's name in quotes is expected")),
            },
            _ => Err(self.no_function(node, name)),
        }
    }

    fn no_function(&self, node: &IdedExpr, name: &str) -> WhenError {
        let message = if FUNCTIONS.contains(&name) {
            format!("`{name}` is not used like this; see the documentation of `when`")
        } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            format!("unknown function `{name}`{}", hint(name, FUNCTIONS))
        } else {
            "this operator cannot be used here".to_owned()
        };
        self.error(node, message)
    }

    pub(super) fn truth(&mut self, node: &'a IdedExpr) -> Result<Truth, WhenError> {
        match self.typed(node)? {
            Typed::Truth(truth) => Ok(truth),
            other => {
                let message = format!("true or false is expected, not {}", other.kind());
                Err(self.error(node, message))
            }
        }
    }

    fn text(&mut self, node: &'a IdedExpr) -> Result<Text, WhenError> {
        match self.typed(node)? {
            Typed::Text(text) => Ok(text),
            other => {
                let message = format!("text is expected, not {}", other.kind());
                Err(self.error(node, message))
            }
        }
    }

    fn conditional(&mut self, which: &'a IdedExpr, yes: &'a IdedExpr, no: &'a IdedExpr) -> Found {
        let which = Box::new(self.truth(which)?);
        Ok(match (self.typed(yes)?, self.typed(no)?) {
            (Typed::Truth(a), Typed::Truth(b)) => {
                Typed::Truth(Truth::If(which, a.into(), b.into()))
            }
            (Typed::Number(a), Typed::Number(b)) => {
                Typed::Number(Number::If(which, a.into(), b.into()))
            }
            (Typed::Grade(a), Typed::Grade(b)) => {
                Typed::Grade(Number::If(which, a.into(), b.into()))
            }
            (Typed::Text(a), Typed::Text(b)) => Typed::Text(Text::If(which, a.into(), b.into())),
            (a, b) => {
                let (a, b) = (a.kind(), b.kind());
                return Err(self.error(no, format!("`? :` between {a} and {b}")));
            }
        })
    }

    fn compare(
        &mut self,
        node: &IdedExpr,
        how: Compare,
        left: &'a IdedExpr,
        right: &'a IdedExpr,
    ) -> Found {
        let equality = matches!(how, Compare::Equal | Compare::Differ);
        Ok(Typed::Truth(
            match (self.typed(left)?, self.typed(right)?) {
                (Typed::Number(a), Typed::Number(b)) | (Typed::Grade(a), Typed::Grade(b)) => {
                    Truth::Numbers(how, a, b)
                }
                (Typed::Grade(a), Typed::Text(Text::Is(name))) => {
                    Truth::Numbers(how, a, self.rank(right, &name)?)
                }
                (Typed::Text(Text::Is(name)), Typed::Grade(b)) => {
                    Truth::Numbers(how, self.rank(left, &name)?, b)
                }
                (Typed::Text(a), Typed::Text(b)) => {
                    self.possible(right, &a, &b)?;
                    self.possible(left, &b, &a)?;
                    Truth::Texts(how, a, b)
                }
                (Typed::Truth(a), Typed::Truth(b)) if equality => {
                    Truth::Same(how == Compare::Equal, a.into(), b.into())
                }
                (a, b) => {
                    let message = format!("{} cannot be compared with {}", a.kind(), b.kind());
                    return Err(self.error(node, message));
                }
            },
        ))
    }

    fn arithmetic(&mut self, how: Arithmetic, left: &'a IdedExpr, right: &'a IdedExpr) -> Found {
        let mut number = |node: &'a IdedExpr| match self.typed(node)? {
            Typed::Number(number) => Ok(Box::new(number)),
            Typed::Text(_) => Err(self.error(node, "texts cannot be joined here")),
            other => Err(self.error(node, format!("a number is expected, not {}", other.kind()))),
        };
        Ok(Typed::Number(Number::Sum(
            how,
            number(left)?,
            number(right)?,
        )))
    }

    fn size(&mut self, node: &'a IdedExpr) -> Found {
        self.charge(node, SEARCH_COST)?;
        Ok(Typed::Number(match self.typed(node)? {
            Typed::Text(text) => Number::Characters(text),
            Typed::Series(series, _) => Number::Length(Box::new(series)),
            Typed::Hits => {
                self.charge(node, LOOKUP_COST)?;
                Number::Length(Box::new(Series::Hits))
            }
            other => {
                let message = format!("text or a list has a size, not {}", other.kind());
                return Err(self.error(node, message));
            }
        }))
    }

    /// `left in right`.
    fn within(&mut self, left: &'a IdedExpr, right: &'a IdedExpr) -> Found {
        Ok(Typed::Truth(
            match (self.typed(left)?, self.typed(right)?) {
                (Typed::Text(Text::Is(name)), Typed::Hits) => positive(self.hits_of(left, &name)?),
                (Typed::Text(text), Typed::Hits) => {
                    self.charge(right, LOOKUP_COST)?;
                    Truth::Found(text)
                }
                (Typed::Number(number), Typed::Series(series, Of::Numbers)) => {
                    Truth::NumberIn(number, series)
                }
                (Typed::Text(text), Typed::Series(series, Of::Texts)) => {
                    if let Series::Texts(texts) = &series {
                        for one in texts {
                            self.possible(right, &text, one)?;
                        }
                    }
                    Truth::TextIn(text, series)
                }
                (Typed::Grade(grade), Typed::Series(Series::Texts(texts), _)) => {
                    let rank = |text: &Text| match text {
                        Text::Is(name) => self.rank(right, name),
                        _ => Err(self.error(right, "grades' names in quotes are expected")),
                    };
                    let ranks: Result<Vec<Number>, WhenError> = texts.iter().map(rank).collect();
                    Truth::NumberIn(grade, Series::Numbers(ranks?))
                }
                (a, b) => {
                    let message = format!("{} cannot be in {}", a.kind(), b.kind());
                    return Err(self.error(right, message));
                }
            },
        ))
    }

    fn index(&mut self, node: &IdedExpr, left: &'a IdedExpr, right: &'a IdedExpr) -> Found {
        match (self.typed(left)?, self.typed(right)?) {
            (Typed::Hits, Typed::Text(Text::Is(name))) => {
                Ok(Typed::Number(self.hits_of(right, &name)?))
            }
            (Typed::Hits, Typed::Text(text)) => {
                self.charge(node, LOOKUP_COST)?;
                Ok(Typed::Number(Number::HitsOf(text)))
            }
            _ => Err(self.error(node, "only hits have an index: hits[\"CN_MOBILE\"]")),
        }
    }

    fn pattern(&self, node: &IdedExpr) -> Result<Box<Regex>, WhenError> {
        let Expr::Literal(LiteralValue::String(pattern)) = &node.expr else {
            return Err(self.error(node, "a pattern in quotes is expected"));
        };
        let pattern = pattern.inner();
        if pattern.len() > PATTERN_BYTES_MAX {
            let message = format!("a pattern has at most {PATTERN_BYTES_MAX} bytes");
            return Err(self.error(node, message));
        }
        Regex::builder()
            .syntax(syntax::Config::new().nest_limit(PATTERN_NEST_MAX))
            .configure(
                Regex::config()
                    .nfa_size_limit(Some(PATTERN_SIZE_MAX))
                    .hybrid_cache_capacity(PATTERN_SIZE_MAX),
            )
            .build(pattern)
            .map(Box::new)
            .map_err(|_| {
                let message = "no regular expression that takes linear time: no look-around, no \
                               back-references, not too large";
                self.error(node, message)
            })
    }
}

fn comparison(name: &str) -> Option<Compare> {
    Some(match name {
        op::EQUALS => Compare::Equal,
        op::NOT_EQUALS => Compare::Differ,
        op::LESS => Compare::Less,
        op::LESS_EQUALS => Compare::AtMost,
        op::GREATER => Compare::More,
        op::GREATER_EQUALS => Compare::AtLeast,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        op::ADD => Arithmetic::Add,
        op::SUBSTRACT => Arithmetic::Subtract,
        op::MULTIPLY => Arithmetic::Multiply,
        op::DIVIDE => Arithmetic::Divide,
        op::MODULO => Arithmetic::Modulo,
        _ => return None,
    })
}
