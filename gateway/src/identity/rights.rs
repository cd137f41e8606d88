//! What persons may do, by one config and the teams that the admin API made.
//!
//! Invariant: a group leads to one team, and to no other when that team is gone.

use std::collections::HashMap;
use std::sync::Arc;

use policies::access::principal::Membership;
use policies::limit::meter::{Limit, Meters};
use wire::Grade;

use crate::config::schema::Role;
use crate::config::snapshot::Grades;

/// Tells newer rights from older ones: the snapshot's version, and how often teams changed under it.
pub type Version = (u64, u64);

/// What persons may do, by one config and the teams that the admin API made.
#[derive(Debug)]
pub struct Rights {
    /// Which these are.
    pub version: Version,
    /// What a member of each team may do, and each member's own limits.
    pub teams: HashMap<Box<str>, (Membership, Vec<Limit>)>,
    /// Teams that the admin API made may be missing: they have not been read.
    pub unread: bool,
    /// The team of a group; `None`: a group is a team if it has its name.
    pub groups: Option<HashMap<String, Box<str>>>,
    /// The team of whoever has no other by their groups.
    pub fallback: Option<Box<str>>,
    /// The least grade of all of them.
    pub grade: Grade,
    /// The order of grades.
    pub grades: Grades,
    /// The role that each value of the claim gives; none: nobody administers by a token.
    pub roles: HashMap<String, Role>,
    /// All limits.
    pub meters: Arc<Meters>,
}

impl Rights {
    /// The team of somebody with these groups; it may not exist, and then they have none. A group whose team is gone never
    /// leads to another team: its people would have what only others may.
    pub(super) fn team<'a>(&'a self, groups: &'a [String]) -> Option<&'a str> {
        let by_groups = match &self.groups {
            Some(teams) => groups
                .iter()
                .find_map(|group| teams.get(group))
                .map(|team| &**team),
            // Until all teams are known, any group may be one.
            None => groups
                .iter()
                .find(|group| self.unread || self.teams.contains_key(group.as_str()))
                .map(String::as_str),
        };
        by_groups.or(self.fallback.as_deref())
    }

    /// Limits of users: one of each kind, whichever team has it.
    pub(super) fn of_users(&self) -> Vec<Limit> {
        let mut all: Vec<Limit> = Vec::new();
        for limit in self.teams.values().flat_map(|(_, limits)| limits) {
            let same = |known: &Limit| (known.unit, known.window) == (limit.unit, limit.window);
            if !all.iter().any(same) {
                all.push(*limit);
            }
        }
        all
    }
}
