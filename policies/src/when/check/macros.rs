//! The macros over lists, recognised in what the parser expanded them to.
//!
//! The accumulator's name cannot be written by hand, so what has the shape of a macro is one. Invariant: no macro stands
//! in the condition of another, so a condition is judged at most once an element.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators as op};

use super::super::HITS_MAX;
use super::super::tree::{Quantifier, Series, Truth};
use super::super::vars::ROOTS;
use super::{Checker, Found, Of, Typed};

/// What a macro does with each element.
enum Each<'a> {
    Quantify(Quantifier, &'a IdedExpr),
    Filter(&'a IdedExpr),
    Map(Option<&'a IdedExpr>, &'a IdedExpr),
}

impl<'a> Checker<'a> {
    pub(super) fn expanded(&mut self, node: &'a IdedExpr, of: &'a ComprehensionExpr) -> Found {
        if self.item.is_some() {
            let message = "a macro within the condition of another";
            return Err(self.error(node, message));
        }
        let name = of.iter_var.as_str();
        if ROOTS.contains(&name) {
            return Err(self.error(
                node,
                format!("`{name}` is a variable: name the element otherwise"),
            ));
        }
        let (series, kind) = match self.typed(&of.iter_range)? {
            Typed::Series(series, kind) => (series, kind),
            Typed::Hits => (Series::Hits, Of::Texts),
            other => {
                let message = format!("a list or hits is expected, not {}", other.kind());
                return Err(self.error(&of.iter_range, message));
            }
        };
        let Some(each) = recognise(of) else {
            return Err(self.error(node, "this macro is not known"));
        };
        self.times = length(&series);
        self.item = Some((name, kind));
        let typed = self.each(series, kind, each);
        self.item = None;
        self.times = 1;
        typed
    }

    fn each(&mut self, series: Series, kind: Of, each: Each<'a>) -> Found {
        match each {
            Each::Quantify(how, condition) => {
                let condition = self.truth(condition)?;
                let series = Box::new(series);
                Ok(Typed::Truth(Truth::Quantified(
                    how,
                    series,
                    condition.into(),
                )))
            }
            Each::Filter(condition) => {
                let condition = self.truth(condition)?;
                Ok(Typed::Series(
                    Series::Filter(series.into(), condition.into()),
                    kind,
                ))
            }
            Each::Map(condition, value) => {
                let series = match condition {
                    Some(condition) => Series::Filter(series.into(), self.truth(condition)?.into()),
                    None => series,
                };
                match self.typed(value)? {
                    Typed::Number(number) => {
                        let mapped = Series::ToNumbers(series.into(), number.into());
                        Ok(Typed::Series(mapped, Of::Numbers))
                    }
                    Typed::Text(text) => {
                        let mapped = Series::ToTexts(series.into(), text.into());
                        Ok(Typed::Series(mapped, Of::Texts))
                    }
                    other => {
                        let message =
                            format!("a list is of texts or numbers, not {}", other.kind());
                        Err(self.error(value, message))
                    }
                }
            }
        }
    }
}

/// The most elements that `series` may have.
fn length(series: &Series) -> u64 {
    let n = match series {
        Series::Numbers(numbers) => numbers.len(),
        Series::Texts(texts) => texts.len(),
        Series::Hits => HITS_MAX,
        Series::Filter(inner, _) | Series::ToNumbers(inner, _) | Series::ToTexts(inner, _) => {
            return length(inner);
        }
    };
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn recognise(of: &ComprehensionExpr) -> Option<Each<'_>> {
    let (name, args) = called(&of.loop_step)?;
    match (&of.accu_init.expr, name, args) {
        (Expr::Literal(LiteralValue::Boolean(_)), op::LOGICAL_OR, [_, condition]) => {
            Some(Each::Quantify(Quantifier::Some, condition))
        }
        (Expr::Literal(LiteralValue::Boolean(_)), op::LOGICAL_AND, [_, condition]) => {
            Some(Each::Quantify(Quantifier::Every, condition))
        }
        (Expr::Literal(LiteralValue::Int(_)), op::CONDITIONAL, [condition, ..]) => {
            Some(Each::Quantify(Quantifier::One, condition))
        }
        (Expr::List(_), op::ADD, [_, added]) => Some(Each::Map(None, appended(added)?)),
        (Expr::List(_), op::CONDITIONAL, [condition, added, _]) => {
            let (_, args) = called(added)?;
            let value = appended(args.get(1)?)?;
            // `map(v, p, v)` keeps the elements as they are, which is what `filter(v, p)` does.
            match &value.expr {
                Expr::Ident(name) if *name == of.iter_var => Some(Each::Filter(condition)),
                _ => Some(Each::Map(Some(condition), value)),
            }
        }
        _ => None,
    }
}

fn called(node: &IdedExpr) -> Option<(&str, &[IdedExpr])> {
    match &node.expr {
        Expr::Call(CallExpr {
            func_name, args, ..
        }) => Some((func_name, args)),
        _ => None,
    }
}

/// The one element of the list that is appended.
fn appended(node: &IdedExpr) -> Option<&IdedExpr> {
    match &node.expr {
        Expr::List(list) => list.elements.first(),
        _ => None,
    }
}
