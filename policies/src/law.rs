//! The law: a request may go to a target only if its grade is not above the target's clearance.
//!
//! The only place that compares a grade with a clearance. [`Cleared`] has private fields and no other maker than
//! [`judge`], and dispatch accepts nothing else: retry, fallback and hedge walk the same list, so there is no road around
//! it. Names no vendor.
//!
//! For each type of finding the first rule about it counts. `refuse` ends the request whatever the target; `redact` and
//! `reroute` say what follows where the finding's grade exceeds a target's clearance: it is replaced for that target, or
//! the target is passed over. A finding without a rule is passed over too. What is declared (key, header) and what cannot
//! be read (media) is never redacted away.

mod shown;

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use wire::{Fault, Grade, Kind, Verdict};

use crate::findings::Findings;
use crate::policy::{Policy, Remedy, Rule};
use crate::restore::Table;
use crate::rewrite::{Choice, Rewritten, rewrite};
use crate::scan::Sort;
use crate::when::{Facts, Provider};
pub use shown::{Shown, shown};

/// Something a request could be sent to.
pub trait Destination {
    /// The highest grade that may go there.
    fn clearance(&self) -> Grade;
    /// Whether it lies abroad.
    fn is_overseas(&self) -> bool {
        false
    }
    /// Whether its model is filed with the authority.
    fn is_filed(&self) -> bool {
        true
    }
    /// What conditions may read of it.
    fn place(&self) -> Provider<'_>;
}

/// A target that this request may go to, and in which form.
#[derive(Debug)]
pub struct Cleared<T> {
    target: T,
    form: Form,
    grade: Grade,
    verdict: Verdict,
}

/// How a request goes to a target.
#[derive(Clone, Debug)]
enum Form {
    Whole,
    Redacted(Arc<Rewritten>),
}

impl<T> Cleared<T> {
    /// Where to.
    pub fn target(&self) -> &T {
        &self.target
    }

    /// The body that goes there, if it is not the one that came.
    pub fn redacted(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Whole => None,
            Form::Redacted(rewritten) => Some(&rewritten.body),
        }
    }

    /// What the reply gets back.
    pub fn restores(&self) -> Option<Restores> {
        match &self.form {
            Form::Redacted(rewritten) if !rewritten.table.is_empty() => {
                Some(Restores(Arc::clone(rewritten)))
            }
            _ => None,
        }
    }

    /// How many findings were replaced.
    pub fn redactions(&self) -> usize {
        match &self.form {
            Form::Whole => 0,
            Form::Redacted(rewritten) => rewritten.count,
        }
    }

    /// The types of findings that were replaced.
    pub fn replaced(&self) -> &[Sort] {
        match &self.form {
            Form::Whole => &[],
            Form::Redacted(rewritten) => &rewritten.sorts,
        }
    }

    /// The grade of what goes there.
    pub fn grade(&self) -> Grade {
        self.grade
    }

    /// What was decided.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// What a reply gets back, kept for as long as it runs.
#[derive(Clone, Debug)]
pub struct Restores(Arc<Rewritten>);

impl Restores {
    /// What the record of a reply gets in place of the request's values: their labels. `None`: nothing.
    #[must_use]
    pub fn for_record(redacted: &Arc<Rewritten>) -> Option<Self> {
        (!redacted.table.is_empty()).then(|| Self(Arc::clone(redacted)))
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.0.table
    }
}

/// A request before the law.
pub struct Case<'a> {
    /// What holds; `None`: only the law itself.
    pub policy: Option<&'a Policy>,
    /// What was found.
    pub findings: &'a Findings,
    /// The body that came.
    pub body: &'a Bytes,
    /// What key and header declare.
    pub declared: Grade,
    /// The key serves the public.
    pub public: bool,
    /// What conditions may read, but for findings, grade and target: those are filled in here.
    pub facts: Facts<'a>,
}

/// What the law says.
#[derive(Debug)]
pub struct Judgement<T> {
    /// The grade of the request as it came.
    pub grade: Grade,
    /// Positions of the rules that took effect.
    pub fired: SmallVec<[usize; 4]>,
    /// Positions of the rules in shadow mode that would have.
    pub shadowed: SmallVec<[usize; 4]>,
    /// One for each admissible target, in order of preference; or why there is none.
    pub cleared: Result<Vec<Cleared<T>>, Fault>,
}

/// Judges targets in order of preference.
pub fn judge<T: Destination>(
    case: &Case<'_>,
    targets: impl IntoIterator<Item = T>,
) -> Judgement<T> {
    let mut judge = Judge::new(case);
    let cleared = judge.all(targets);
    Judgement {
        grade: judge.grade(),
        fired: judge.fired,
        shadowed: judge.shadowed,
        cleared,
    }
}

/// What is to happen with the findings of one type.
#[derive(Clone, Copy)]
struct Act {
    sort: Sort,
    grade: Grade,
    rule: Option<usize>,
}

type Plan = SmallVec<[Act; 4]>;
type Choices = SmallVec<[Choice; 4]>;

struct Judge<'c, 'a> {
    case: &'c Case<'a>,
    hits: SmallVec<[(&'c str, i64); 4]>,
    base: Grade,
    fired: SmallVec<[usize; 4]>,
    shadowed: SmallVec<[usize; 4]>,
    /// Bodies made so far, by what was replaced in them.
    forms: SmallVec<[(Choices, Arc<Rewritten>); 1]>,
}

impl<'c, 'a> Judge<'c, 'a> {
    fn new(case: &'c Case<'a>) -> Self {
        let mut base = case.declared;
        if let Some(policy) = case.policy
            && case.findings.media > 0
        {
            base = base.max(policy.media);
        }
        Self {
            case,
            hits: case
                .policy
                .map(|policy| case.findings.named(policy))
                .unwrap_or_default(),
            base,
            fired: SmallVec::new(),
            shadowed: SmallVec::new(),
            forms: SmallVec::new(),
        }
    }

    /// The grade of the request as it came.
    fn grade(&self) -> Grade {
        let Some(policy) = self.case.policy else {
            return self.base;
        };
        let found = self.case.findings.counts().iter();
        found
            .map(|(sort, _)| policy.set.info(*sort).grade)
            .fold(self.base, Grade::max)
    }

    fn all<T: Destination>(
        &mut self,
        targets: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Cleared<T>>, Fault> {
        let mut plan = match self.case.policy {
            Some(policy) if !policy.reads_target() => self.plan(policy, None)?,
            _ => Plan::new(),
        };
        let mut cleared = Vec::new();
        let mut passed = Passed::default();
        for target in targets {
            let mut base = self.base;
            if let Some(policy) = self.case.policy.filter(|policy| policy.reads_target()) {
                let before = self.base;
                let planned = self.plan(policy, Some(target.place()));
                base = std::mem::replace(&mut self.base, before);
                match planned {
                    Ok(planned) => plan = planned,
                    Err(fault) if fault.kind() == Kind::Refused => {
                        passed.refused.get_or_insert(fault);
                        continue;
                    }
                    Err(fault) => return Err(fault),
                }
            }
            match self.form(&target, base, &plan, &mut passed)? {
                None => {}
                Some((form, grade)) => {
                    let verdict = match form {
                        Form::Redacted(_) => Verdict::Redact,
                        // Skipping a preferred target for its clearance *is* rerouting.
                        Form::Whole if passed.any => Verdict::Reroute,
                        Form::Whole => Verdict::Allow,
                    };
                    cleared.push(Cleared {
                        target,
                        form,
                        grade,
                        verdict,
                    });
                }
            }
        }
        if cleared.is_empty() {
            return Err(passed.fault(self));
        }
        Ok(cleared)
    }

    /// What the rules say, for one target or for all.
    fn plan(&mut self, policy: &'c Policy, target: Option<Provider<'_>>) -> Result<Plan, Fault> {
        for (at, rule) in policy.rules.iter().enumerate() {
            let about_request =
                rule.find.is_none() && !matches!(rule.remedy, Remedy::Redact { .. });
            if !about_request || !self.applies(policy, rule, target)? || self.is_shadow(at, rule) {
                continue;
            }
            self.fire(at);
            match rule.remedy {
                Remedy::Refuse => return Err(refusal(rule)),
                _ => self.base = self.base.max(rule.grade.unwrap_or(Grade(u8::MAX))),
            }
        }
        let mut plan = Plan::new();
        for (sort, _) in self.case.findings.counts() {
            let mut act = Act {
                sort: *sort,
                grade: policy.set.info(*sort).grade,
                rule: None,
            };
            for (at, rule) in policy.rules.iter().enumerate() {
                if !rule.covers(*sort)
                    || !self.applies(policy, rule, target)?
                    || self.is_shadow(at, rule)
                {
                    continue;
                }
                if rule.remedy == Remedy::Refuse {
                    self.fire(at);
                    return Err(refusal(rule));
                }
                act.grade = act.grade.max(rule.grade.unwrap_or(Grade::LOWEST));
                act.rule = Some(at);
                break;
            }
            plan.push(act);
        }
        Ok(plan)
    }

    /// Whether a rule's count and condition hold.
    fn applies(
        &self,
        policy: &Policy,
        rule: &Rule,
        target: Option<Provider<'_>>,
    ) -> Result<bool, Fault> {
        if let Some(find) = &rule.find {
            let counts = self.case.findings.counts().iter();
            let found: u32 = counts
                .filter(|(sort, _)| find.contains(*sort))
                .map(|(_, count)| *count)
                .sum();
            if found < rule.at_least {
                return Ok(false);
            }
        }
        let Some(when) = &rule.when else {
            return Ok(true);
        };
        let facts = Facts {
            provider: target,
            hits: &self.hits,
            grade: i64::from(self.grade().0),
            grades: &policy.grades,
            ..self.case.facts
        };
        match when.holds(&facts) {
            Ok(holds) => Ok(holds),
            // A rule in shadow mode changes nothing, not even by failing.
            Err(_) if rule.shadow => Ok(false),
            Err(failure) => Err(Fault::new(Kind::Overloaded)
                .reason("policy_unavailable")
                .message("A policy could not be evaluated, so no request may pass.")
                .detail(format!("{}: {failure}", rule.name))),
        }
    }

    fn is_shadow(&mut self, at: usize, rule: &Rule) -> bool {
        if rule.shadow && !self.shadowed.contains(&at) {
            self.shadowed.push(at);
        }
        rule.shadow
    }

    fn fire(&mut self, at: usize) {
        if !self.fired.contains(&at) {
            self.fired.push(at);
        }
    }

    /// How the request may go to a target; `None` if it may not.
    fn form<T: Destination>(
        &mut self,
        target: &T,
        base: Grade,
        plan: &Plan,
        passed: &mut Passed,
    ) -> Result<Option<(Form, Grade)>, Fault> {
        let policy = self.case.policy;
        let mut limit = target.clearance();
        if let Some(most) = policy.and_then(|policy| policy.overseas_max)
            && target.is_overseas()
        {
            limit = limit.min(most);
        }
        if self.case.public && !target.is_filed() && policy.is_some_and(|policy| policy.filed_only)
        {
            passed.unfiled = true;
            return Ok(None);
        }
        if base > limit {
            passed.any = true;
            passed.media |= self.case.findings.media > 0 && self.case.declared <= limit;
            return Ok(None);
        }
        let mut grade = base;
        let mut choices = Choices::new();
        for act in plan {
            if act.grade <= limit {
                grade = grade.max(act.grade);
                continue;
            }
            let rule = act.rule.and_then(|at| Some((at, policy?.rules.get(at)?)));
            if let Some((at, rule)) = rule {
                self.fire(at);
                if let Remedy::Redact { method, restore } = rule.remedy {
                    choices.push(Choice {
                        sort: act.sort,
                        method,
                        restore,
                    });
                    continue;
                }
            }
            passed.any = true;
            passed.over = passed.over.or(Some(*act));
            return Ok(None);
        }
        let (Some(policy), false) = (policy, choices.is_empty()) else {
            return Ok(Some((Form::Whole, grade)));
        };
        if let Some((_, form)) = self.forms.iter().find(|(known, _)| *known == choices) {
            return Ok(Some((Form::Redacted(Arc::clone(form)), grade)));
        }
        let form = Arc::new(rewrite(
            policy,
            self.case.body,
            self.case.findings,
            &choices,
        )?);
        self.forms.push((choices, Arc::clone(&form)));
        Ok(Some((Form::Redacted(form), grade)))
    }
}

/// Why targets were passed over.
#[derive(Default)]
struct Passed {
    any: bool,
    /// What could not be read was too high for it.
    media: bool,
    unfiled: bool,
    over: Option<Act>,
    refused: Option<Fault>,
}

impl Passed {
    /// What the caller is told when no target is left.
    fn fault(self, judge: &Judge<'_, '_>) -> Fault {
        if let Some(refused) = self.refused {
            return refused;
        }
        if self.unfiled && !self.any {
            return Fault::new(Kind::NoClearedProvider)
                .reason("not_filed")
                .message("This key serves the public, and no target of this model is filed.");
        }
        let fault = Fault::new(Kind::NoClearedProvider);
        if self.media && self.over.is_none() {
            return fault.message(
                "No provider of this model is cleared for what cannot be read: images, sound, files.",
            );
        }
        let Some((act, policy)) = self.over.zip(judge.case.policy) else {
            return fault;
        };
        let mut sentence = format!(
            "No provider of this model is cleared for what was found: {}",
            policy.name(act.sort)
        );
        if let Some(rule) = act.rule.and_then(|at| policy.rules.get(at)) {
            // Writing to a string cannot fail.
            let _ = write!(sentence, " (policy {})", rule.name);
        }
        sentence.push('.');
        fault.message(sentence)
    }
}

/// A refusal names its rule and never what was found.
fn refusal(rule: &Rule) -> Fault {
    let told = match &rule.message {
        Some(message) => format!("{message} (policy {})", rule.name),
        None => format!("Policy {} refused this request.", rule.name),
    };
    Fault::new(Kind::Refused).reason("policy").message(told)
}

#[cfg(test)]
mod tests;
