//! Who is next, of those that wait for the same thing: by class, then by fair shares of teams, then by arrival.
//!
//! Start-time fair queueing: each team has a virtual time, which what it is served moves on by cost over weight; the team
//! whose time is the least is next. Classes come strictly one after the other, but who is passed over
//! [`PASSED_OVER_MAX`] times is next: the lower classes are slow and never still.
//!
//! Must never know what is waited for, or read a clock. Invariants: a team that leaves the line takes no credit along and is
//! charged only for what it was served; what is kept of a team that does not wait goes when it no longer matters.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A class with someone waiting gets at least one turn in so many and one.
pub const PASSED_OVER_MAX: u32 = 8;
/// Greatest weight of a team.
pub const WEIGHT_MAX: u32 = 1000;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Someone waits for the answer.
    High,
    /// No more is known.
    #[default]
    Normal,
    /// Nobody waits: batches.
    Low,
}

const CLASSES: [Class; 3] = [Class::High, Class::Normal, Class::Low];

/// On whose account something waits, and how urgent it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose turn it takes: a team's, or a key's that has none.
    pub team: Arc<str>,
    /// Turns in relation to other teams'; 1 to [`WEIGHT_MAX`].
    pub weight: u32,
    /// How urgent.
    pub class: Class,
}

impl Share {
    /// That of somebody on his own, of no team.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self {
            team: name.into(),
            weight: 1,
            class: Class::default(),
        }
    }
}

/// How those of a team wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    /// `None`: everybody on his own.
    pub team: Option<Arc<str>>,
    /// As in [`Share`].
    pub weight: u32,
    /// The most urgent that they may be; `None`: what they like.
    pub most: Option<Class>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            team: None,
            weight: 1,
            most: None,
        }
    }
}

impl Turns {
    /// The share of one of them, who calls himself that urgent.
    #[must_use]
    pub fn share(&self, name: &str, own: Option<Class>) -> Share {
        let alone = || format!("key {name}").into();
        Share {
            team: self.team.clone().unwrap_or_else(alone),
            weight: self.weight,
            class: match (own, self.most) {
                (Some(own), Some(most)) => own.max(most),
                (own, most) => own.or(most).unwrap_or_default(),
            },
        }
    }
}

/// A place in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    class: Class,
    team: Arc<str>,
    /// The order of arrival.
    number: u64,
}

/// A line.
#[derive(Debug)]
pub struct Line<T> {
    lanes: [Lane<T>; CLASSES.len()],
    next: u64,
    len: usize,
}

/// Those of one class.
#[derive(Debug)]
struct Lane<T> {
    teams: HashMap<Arc<str>, Team<T>>,
    /// The virtual time of who was served last.
    now: u64,
    passed_over: u32,
}

#[derive(Debug)]
struct Team<T> {
    weight: u32,
    /// Its virtual time.
    at: u64,
    waiting: BTreeMap<u64, Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    cost: u64,
    what: T,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            lanes: CLASSES.map(|_| Lane {
                teams: HashMap::new(),
                now: 0,
                passed_over: 0,
            }),
            next: 0,
            len: 0,
        }
    }
}

/// How far a turn moves a team's time on.
fn step(cost: u64, weight: u32) -> u64 {
    (cost / u64::from(weight.clamp(1, WEIGHT_MAX))).max(1)
}

impl<T> Lane<T> {
    fn is_empty(&self) -> bool {
        self.teams.values().all(|team| team.waiting.is_empty())
    }

    /// The one whose team's time is the least, of those that may.
    fn first(&self, may: &impl Fn(&T) -> bool) -> Option<(Arc<str>, u64)> {
        let firsts = self.teams.iter().filter_map(|(name, team)| {
            let mut waiting = team.waiting.iter();
            let (number, _) = waiting.find(|(_, waiting)| may(&waiting.what))?;
            Some((team.at, *number, name))
        });
        let (_, number, name) = firsts.min()?;
        Some((Arc::clone(name), number))
    }
}

impl<T> Line<T> {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[expect(clippy::indexing_slicing, reason = "there is a lane for each class")]
    fn lane(&mut self, class: Class) -> &mut Lane<T> {
        &mut self.lanes[class as usize]
    }

    /// Waits, on account of `share`, for something that costs so much: any unit, the same for all of a line.
    pub fn join(&mut self, share: &Share, cost: u64, what: T) -> Place {
        let number = self.next;
        self.next += 1;
        self.len += 1;
        let lane = self.lane(share.class);
        let now = lane.now;
        let team = lane
            .teams
            .entry(Arc::clone(&share.team))
            .or_insert_with(|| Team {
                weight: share.weight,
                at: now,
                waiting: BTreeMap::new(),
            });
        team.weight = share.weight;
        if team.waiting.is_empty() {
            // Who did not wait saved no turns.
            team.at = team.at.max(now);
        }
        team.waiting.insert(number, Waiting { cost, what });
        Place {
            class: share.class,
            team: Arc::clone(&share.team),
            number,
        }
    }

    /// The next, of those that may.
    #[must_use]
    pub fn first(&self, may: impl Fn(&T) -> bool) -> Option<Place> {
        let mut next: Option<(u32, Place)> = None;
        for (class, lane) in CLASSES.into_iter().zip(&self.lanes) {
            let Some((team, number)) = lane.first(&may) else {
                continue;
            };
            let overdue = if lane.passed_over >= PASSED_OVER_MAX {
                lane.passed_over
            } else {
                0
            };
            if next.as_ref().is_none_or(|(most, _)| overdue > *most) {
                let place = Place {
                    class,
                    team,
                    number,
                };
                next = Some((overdue, place));
            }
        }
        next.map(|(_, place)| place)
    }

    /// What waits there.
    pub fn at(&mut self, place: &Place) -> Option<&mut T> {
        let team = self.lane(place.class).teams.get_mut(&place.team)?;
        let waiting = team.waiting.get_mut(&place.number)?;
        Some(&mut waiting.what)
    }

    /// All that wait, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let teams = self.lanes.iter().flat_map(|lane| lane.teams.values());
        let waiting = teams.flat_map(|team| team.waiting.values());
        waiting.map(|waiting| &waiting.what)
    }

    /// Leaves without a turn.
    pub fn leave(&mut self, place: &Place) -> Option<T> {
        self.remove(place).map(|waiting| waiting.what)
    }

    /// Has its turn.
    pub fn serve(&mut self, place: &Place) -> Option<T> {
        let lane = self.lane(place.class);
        if let Some(team) = lane.teams.get_mut(&place.team) {
            let cost = team.waiting.get(&place.number)?.cost;
            lane.now = lane.now.max(team.at);
            team.at = team.at.saturating_add(step(cost, team.weight));
        }
        let served = self.remove(place)?;
        for (class, lane) in CLASSES.into_iter().zip(&mut self.lanes) {
            if class == place.class || lane.is_empty() {
                lane.passed_over = 0;
            } else if class > place.class {
                lane.passed_over += 1;
            }
        }
        Some(served.what)
    }

    fn remove(&mut self, place: &Place) -> Option<Waiting<T>> {
        let lane = self.lane(place.class);
        let team = lane.teams.get_mut(&place.team)?;
        let gone = team.waiting.remove(&place.number)?;
        let now = lane.now;
        lane.teams
            .retain(|_, team| !team.waiting.is_empty() || team.at > now);
        if lane.is_empty() {
            lane.teams.clear();
            (lane.now, lane.passed_over) = (0, 0);
        }
        self.len -= 1;
        Some(gone)
    }

    /// How many are likely to have their turn before one that joins now.
    #[must_use]
    pub fn ahead(&self, share: &Share) -> usize {
        let mut ahead = 0;
        for (class, lane) in CLASSES.into_iter().zip(&self.lanes) {
            if class < share.class {
                let waiting = lane.teams.values().map(|team| team.waiting.len());
                ahead += waiting.sum::<usize>();
            } else if class == share.class {
                let own = lane.teams.get(&share.team);
                let mut at = match own {
                    Some(team) if !team.waiting.is_empty() => team.at,
                    Some(team) => team.at.max(lane.now),
                    None => lane.now,
                };
                for waiting in own.into_iter().flat_map(|team| team.waiting.values()) {
                    at = at.saturating_add(step(waiting.cost, share.weight));
                    ahead += 1;
                }
                // Of the others, whoever begins before this one does, or as early and came earlier.
                let others = lane.teams.iter().filter(|(name, _)| **name != share.team);
                for (_, team) in others {
                    let mut theirs = team.at;
                    for waiting in team.waiting.values() {
                        if theirs > at {
                            break;
                        }
                        ahead += 1;
                        theirs = theirs.saturating_add(step(waiting.cost, team.weight));
                    }
                }
            }
        }
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(team: &str, weight: u32, class: Class) -> Share {
        Share {
            team: team.into(),
            weight,
            class,
        }
    }

    /// Serves so many, and tells whom.
    fn served(line: &mut Line<&'static str>, count: usize) -> Vec<&'static str> {
        let mut served = Vec::new();
        for _ in 0..count {
            let Some(place) = line.first(|_| true) else {
                break;
            };
            served.extend(line.serve(&place));
        }
        served
    }

    fn count(served: &[&str], who: &str) -> usize {
        served.iter().filter(|name| **name == who).count()
    }

    #[test]
    fn teams_share_by_weight_and_keep_their_order() {
        let mut line = Line::default();
        let (heavy, light) = (share("a", 3, Class::Normal), share("b", 1, Class::Normal));
        for _ in 0..40 {
            line.join(&light, 1 << 20, "b");
        }
        for _ in 0..60 {
            line.join(&heavy, 1 << 20, "a");
        }
        let served = served(&mut line, 80);
        assert_eq!(count(&served, "a"), 60);
        assert_eq!(count(&served, "b"), 20);
        for four in served.chunks(4) {
            assert_eq!(count(four, "a"), 3, "{served:?}");
        }
    }

    #[test]
    fn what_costs_more_counts_more() {
        let mut line = Line::default();
        for _ in 0..30 {
            line.join(&share("big", 1, Class::Normal), 4 << 20, "big");
            line.join(&share("small", 1, Class::Normal), 1 << 20, "small");
        }
        let served = served(&mut line, 25);
        assert!((4..=6).contains(&count(&served, "big")), "{served:?}");
    }

    #[test]
    fn classes_come_in_order_and_none_starves() {
        let mut line = Line::default();
        for _ in 0..100 {
            line.join(&share("batch", 1, Class::Low), 1, "low");
            line.join(&share("app", 1, Class::Normal), 1, "normal");
            line.join(&share("chat", 1, Class::High), 1, "high");
        }
        let served = served(&mut line, 100);
        let of = |who| count(&served, who);
        assert_eq!(of("low") + of("normal") + of("high"), 100);
        assert!((9..=12).contains(&of("low")), "{served:?}");
        assert!((9..=12).contains(&of("normal")), "{served:?}");
        let most = served.split(|who| *who == "low").map(<[_]>::len).max();
        assert!(most <= Some(PASSED_OVER_MAX as usize + 2), "{served:?}");
    }

    #[test]
    fn who_was_away_saved_no_turns_and_who_leaves_pays_none() {
        let mut line = Line::default();
        let (a, b) = (share("a", 1, Class::Normal), share("b", 1, Class::Normal));
        for _ in 0..20 {
            line.join(&a, 10, "a");
        }
        served(&mut line, 10);
        let left: Vec<_> = (0..50).map(|_| line.join(&b, 10, "left")).collect();
        for place in &left {
            assert_eq!(line.leave(place), Some("left"));
            assert_eq!(line.leave(place), None);
        }
        for _ in 0..10 {
            line.join(&b, 10, "b");
        }
        let served = served(&mut line, 10);
        assert!((4..=6).contains(&count(&served, "b")), "{served:?}");
        assert_eq!(line.len(), 10);
    }

    #[test]
    fn one_that_may_not_is_passed_by() {
        let mut line = Line::default();
        line.join(&share("a", 1, Class::High), 1, "shut");
        line.join(&share("a", 1, Class::Low), 1, "open");
        let place = line.first(|what| *what != "shut").unwrap();
        assert_eq!(line.serve(&place), Some("open"));
        assert!(line.first(|what| *what != "shut").is_none());
    }

    proptest! {
        /// Whatever joins, leaves and is served: nothing is lost, and `ahead` is what a newcomer then sees.
        #[test]
        fn a_newcomer_waits_for_those_ahead(
            waiting in prop::collection::vec((0..3_usize, 0..4_usize, 1..50_u64, 1..5_u32), 0..40),
            served_before in 0..10_usize,
            team in 0..4_usize,
        ) {
            let teams = ["a", "b", "c", "d"];
            let weights = [1, 2, 3, 4];
            let mut line = Line::default();
            for (_, team, cost, _) in &waiting {
                line.join(&share(teams[*team], weights[*team], Class::Normal), *cost << 20, "other");
            }
            let before = line.len();
            let gone = served(&mut line, served_before).len();
            prop_assert_eq!(line.len(), before - gone);
            let own = share(teams[team], weights[team], Class::Normal);
            let ahead = line.ahead(&own);
            line.join(&own, 7 << 20, "me");
            let order = served(&mut line, before + 1);
            let at = order.iter().position(|who| *who == "me");
            prop_assert_eq!(at, Some(ahead), "{:?}", order);
            prop_assert!(line.is_empty());
        }
    }
}
