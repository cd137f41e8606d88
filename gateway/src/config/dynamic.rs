//! Teams and keys that came by the admin API, judged and built as if they stood in the config.
//!
//! Knows no store. Invariants: they are judged by the very check that the config's own are judged by; a name of the config
//! is the config's; a team that cannot be used takes those below it along, never the rest.

use std::collections::HashSet;
use std::sync::Arc;

use policies::access::keys::KeySpec;
use policies::limit::Books;

use super::build;
use super::check::{self, TEAMS_DEEP_MAX};
use super::load::Doc;
use super::problem::{Problem, Severity};
use super::schema::{Certificate, Config, Key, Team};
use super::snapshot::Snapshot;
use super::vendors::VendorBook;
use crate::identity::Rights;

/// A config, and what is added to it.
pub struct Frame<'a> {
    snapshot: &'a Snapshot,
    config: Config,
    /// Ids of the config's own keys.
    of_config: HashSet<&'a str>,
    book: &'a dyn VendorBook,
    books: &'a Books,
    now_ms: u64,
}

impl<'a> Frame<'a> {
    /// The config of `snapshot`, with nothing added.
    #[must_use]
    pub fn new(
        snapshot: &'a Snapshot,
        (book, books): (&'a dyn VendorBook, &'a Books),
        now_ms: u64,
    ) -> Self {
        Self {
            snapshot,
            config: Config::clone(&snapshot.basis),
            of_config: snapshot.keys.iter().map(|key| &*key.id).collect(),
            book,
            books,
            now_ms,
        }
    }

    /// Adds teams. Answers which of them cannot be used, and why.
    pub fn add_teams(&mut self, teams: Vec<(String, Team)>) -> Vec<(String, String)> {
        let mut unfit = Vec::new();
        let mut added = HashSet::new();
        for (name, team) in teams {
            if self.snapshot.basis.teams.contains_key(&name) {
                unfit.push((name, "the config has a team of this name".to_owned()));
            } else {
                added.insert(name.clone());
                self.config.teams.insert(name, team);
            }
        }
        // Each round may leave teams without the one above them.
        for _ in 0..=TEAMS_DEEP_MAX {
            let problems = self.problems(&Doc::nowhere());
            let of = |problem: &Problem| {
                let path = problem.path.strip_prefix("teams.")?;
                let mut names = added.iter();
                // A name may have dots in it.
                names
                    .find(|name| path.strip_prefix(name.as_str()).is_some_and(ends_here))
                    .cloned()
            };
            let bad: Vec<(String, String)> = problems
                .iter()
                .filter_map(|problem| Some((of(problem)?, told(problem, "teams."))))
                .collect();
            if bad.is_empty() {
                break;
            }
            for (name, why) in bad {
                if self.config.teams.remove(&name).is_some() {
                    unfit.push((name, why));
                }
            }
        }
        unfit
    }

    /// Lets the snapshot know the teams that were added: persons may be of them, and what is used in them counts to those
    /// above. `unread`: nobody knows yet whether there are more.
    pub fn teach(&self, unread: bool) {
        let snapshot = self.snapshot;
        let of_config = &snapshot.basis.teams;
        let made = self.config.teams.iter();
        let made = made.filter(|(name, _)| !of_config.contains_key(*name));
        let above = made.filter_map(|(name, team)| {
            let above = team.parent.as_deref()?;
            Some((name.as_str().into(), above.into()))
        });
        snapshot.made.store(Arc::new(above.collect()));
        let rights = build::rights(&self.config, &snapshot.grades, self.books);
        if let (Some(directory), Some(rights)) = (&snapshot.identity, rights) {
            directory.set_rights(Rights { unread, ..rights });
        }
    }

    /// Judges one team as if it were added: `Err` says all that is wrong with it.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub fn judge_team(&mut self, name: &str, team: Team) -> Result<(), String> {
        let text = serde_json::json!({ "teams": { name: &team } }).to_string();
        let replaced = self.config.teams.insert(name.to_owned(), team);
        let before = format!("teams.{name}");
        let problems = self.problems(&Doc::of(&text));
        let wrong = problems.iter().filter_map(|problem| {
            if problem.path.strip_prefix(&before).is_some_and(ends_here) {
                return Some(told(problem, &before));
            }
            // Of others nothing was wrong before.
            let other = problem.path.strip_prefix("teams.")?;
            let why = told(problem, "teams.");
            Some(format!(
                "the team `{}` would no longer fit: {why}",
                other.split('.').next()?
            ))
        });
        let wrong: Vec<String> = wrong.collect();
        match replaced {
            Some(old) => self.config.teams.insert(name.to_owned(), old),
            None => self.config.teams.remove(name),
        };
        whole(wrong)
    }

    /// Puts a team in, whatever it says.
    pub fn set_team(&mut self, name: &str, team: Team) {
        self.config.teams.insert(name.to_owned(), team);
    }

    /// Builds keys as [`keys`](Self::keys) does, only to hear what is wrong with them: nothing is remembered of them.
    #[must_use]
    pub fn judge_keys(&mut self, keys: Vec<Key>) -> Vec<Result<(), String>> {
        // A limit that is made is found by its name from then on: those of what may be refused would stay for good, and
        // would stand in the place of those that count.
        let thrown_away = Books::default();
        let built = self.built(keys, &thrown_away);
        built.into_iter().map(|built| built.map(drop)).collect()
    }

    /// Builds keys: for each, what the table of keys is built from, or what is wrong with it.
    #[must_use]
    pub fn keys(&mut self, keys: Vec<Key>) -> Vec<Result<KeySpec, String>> {
        self.built(keys, self.books)
    }

    fn built(&mut self, keys: Vec<Key>, books: &Books) -> Vec<Result<KeySpec, String>> {
        let text = match &*keys {
            // Only for one: that is what somebody asked for and reads the answer of.
            [one] => serde_json::json!({ "keys": [one] }).to_string(),
            _ => String::new(),
        };
        let mut wrong: Vec<Vec<String>> = keys
            .iter()
            .map(|key| {
                let taken = self.of_config.contains(&*key.id);
                let id = taken.then_some("id: the config has a key of this id");
                let name = key.certificate.as_ref().and_then(Certificate::name);
                let taken = name.is_some_and(|name| self.snapshot.certificates.contains_key(&name));
                let why = "certificate: the config has a key of this certificate";
                let certificate = taken.then_some(why);
                id.into_iter()
                    .chain(certificate)
                    .map(str::to_owned)
                    .collect()
            })
            .collect();
        self.config.keys = keys;
        for problem in self.problems(&Doc::of(&text)) {
            let path = problem.path.strip_prefix("keys[");
            let index = path.and_then(|path| path.split_once(']')?.0.parse::<usize>().ok());
            if let Some((index, wrong)) = index.and_then(|at| Some((at, wrong.get_mut(at)?))) {
                wrong.push(told(&problem, &format!("keys[{index}]")));
            }
        }
        let mut is_good = wrong.iter().map(Vec::is_empty);
        self.config.keys.retain(|_| is_good.next() == Some(true));
        let grades = &self.snapshot.grades;
        let specs = build::key_specs(&self.config, grades, books).unwrap_or_default();
        let mut specs = specs.into_iter();
        self.config.keys = Vec::new();
        wrong
            .into_iter()
            .map(|wrong| {
                whole(wrong)?;
                let unbuilt = || "it cannot be built; please report this".to_owned();
                specs.next().ok_or_else(unbuilt)
            })
            .collect()
    }

    fn problems(&self, doc: &Doc) -> Vec<Problem> {
        let mut problems = check::access(&self.config, doc, self.book, self.now_ms);
        problems.retain(|problem| problem.severity == Severity::Error);
        problems
    }
}

/// The config that dynamic keys and teams are judged by: all but its keys, of which there may be many.
pub(super) fn basis(config: &Config) -> Arc<Config> {
    // Field by field: a clone of the whole would be one of all keys.
    Arc::new(Config {
        keys: Vec::new(),
        listen: config.listen.clone(),
        tls: config.tls.clone(),
        admin: config.admin.clone(),
        separate_duties: config.separate_duties,
        trusted_proxies: config.trusted_proxies.clone(),
        grades: config.grades.clone(),
        providers: config.providers.clone(),
        models: config.models.clone(),
        teams: config.teams.clone(),
        identity: config.identity.clone(),
        policies: config.policies.clone(),
        prices: config.prices.clone(),
        state: config.state.clone(),
        alerts: config.alerts.clone(),
        audit: config.audit.clone(),
        limits: config.limits.clone(),
        timeouts: config.timeouts.clone(),
        upstream: config.upstream.clone(),
        http2: config.http2.clone(),
        stream: config.stream.clone(),
        drain: config.drain.clone(),
        overload: config.overload.clone(),
        runtime: config.runtime.clone(),
        log: config.log.clone(),
    })
}

/// Whether a name ends where this rest of a path begins.
fn ends_here(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.') || rest.starts_with('[')
}

fn told(problem: &Problem, before: &str) -> String {
    let path = problem.path.strip_prefix(before).unwrap_or(&problem.path);
    let path = path.trim_start_matches('.');
    let colon = if path.is_empty() { "" } else { ": " };
    let meant = problem.suggestion.as_ref();
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    format!("{path}{colon}{}{meant}", problem.message)
}

fn whole(wrong: Vec<String>) -> Result<(), String> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}
