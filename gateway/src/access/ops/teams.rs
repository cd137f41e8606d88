//! Making, changing and deleting teams.
//!
//! Invariants: a team that has teams or keys stays; a change by which one of its keys would no longer fit is refused.

use serde_json::{Value, json};

use super::{Answer, Refusal, Who, bad, changed, conflict, object, strange, typed};
use crate::access::doc::{TeamDoc, lean, merge, written};
use crate::access::words::{Words, no_secret};
use crate::access::{Access, KEYS, TEAMS, view};
use crate::config::schema::Key;

impl Access {
    /// `POST /api/teams`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was made.
    pub fn create_team(&self, who: &Who, body: &[u8]) -> Result<Answer, Refusal> {
        let mut fields = object(body)?;
        let words = Words::take(&mut fields)?;
        let name = match fields.remove("name") {
            Some(Value::String(name)) => name,
            _ => return Err(bad("name: a text, and it must be there")),
        };
        no_secret("name", &name)?;
        let _alone = self.keyring.alone();
        if self.store.load().basis.teams.contains_key(&name) {
            return Err(conflict("the config has a team of this name"));
        }
        let rev = match self.keyring.known().kept(TEAMS, &name) {
            None => 0,
            // A name that is free again: teams have no secrets.
            Some(kept) if kept.team().is_some_and(|doc| doc.about.ended.is_some()) => kept.rev,
            Some(_) => return Err(conflict("there is a team of this name")),
        };
        let doc = TeamDoc {
            team: typed(fields)?,
            about: words.about(who, self.now_ms())?,
        };
        let body = self.put_team(who, &name, (rev, &doc), "team created")?;
        Ok(Answer::of(body))
    }

    /// `PATCH /api/teams/{name}`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn change_team(&self, who: &Who, name: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let mut patch = object(body)?;
        let words = Words::take(&mut patch)?;
        let _alone = self.keyring.alone();
        let (rev, mut doc) = self.team(name)?;
        let (team, about) = (doc.team.clone(), doc.about.clone());
        let mut fields = serde_json::to_value(&doc.team).unwrap_or_default();
        lean(&mut fields);
        merge(&mut fields, &Value::Object(patch));
        let Value::Object(fields) = fields else {
            return Err(bad("not an object"));
        };
        doc.team = typed(fields)?;
        words.change(&mut doc.about, who, self.now_ms())?;
        let told = changed("team", (&team, &about), (&doc.team, &doc.about));
        let body = self.put_team(who, name, (rev, &doc), &told)?;
        Ok(Answer::of(body))
    }

    /// `DELETE /api/teams/{name}`.
    ///
    /// # Errors
    /// [`Refusal`]: it has teams or keys still.
    pub fn delete_team(&self, who: &Who, name: &str) -> Result<Answer, Refusal> {
        let _alone = self.keyring.alone();
        let (rev, mut doc) = self.team(name)?;
        {
            let known = self.keyring.known();
            let mut teams = known.of_kind(TEAMS, "");
            let below = teams.find(|(_, kept)| {
                let doc = kept.team().filter(|doc| doc.about.ended.is_none());
                doc.is_some_and(|doc| doc.team.parent.as_deref() == Some(name))
            });
            if let Some((below, _)) = below {
                return Err(conflict(format!("the team `{below}` is below it")));
            }
            let mut keys = known.of_kind(KEYS, "");
            let member = keys.find(|(_, kept)| {
                let doc = kept.key().filter(|doc| doc.about.ended.is_none());
                doc.is_some_and(|doc| doc.key.team.as_deref() == Some(name))
            });
            if let Some((member, _)) = member {
                return Err(conflict(format!("the key `{member}` is of it")));
            }
        }
        doc.about.ended = Some(who.did(self.now_ms()));
        self.put(who, (TEAMS, name), (rev, &written(&doc)), "team deleted")?;
        Ok(Answer::of(json!({ "name": name, "deleted": true })))
    }

    /// Whether the admin API made a team of that name that was not deleted since.
    #[must_use]
    pub fn has_team(&self, name: &str) -> bool {
        let known = self.keyring.known();
        let doc = known.kept(TEAMS, name).and_then(|kept| kept.team());
        doc.is_some_and(|doc| doc.about.ended.is_none())
    }

    fn team(&self, name: &str) -> Result<(u64, TeamDoc), Refusal> {
        let known = self.keyring.known();
        let kept = known.kept(TEAMS, name);
        let doc = kept.map(|kept| Ok((kept.rev, kept.team().ok_or_else(strange)?)));
        match doc.transpose()? {
            Some(found) if found.1.about.ended.is_none() => Ok(found),
            _ if self.store.load().basis.teams.contains_key(name) => Err(conflict(
                "this team stands in the config: change it there and reload",
            )),
            _ => Err(Refusal::Missing("there is no such team")),
        }
    }

    /// Judges a team, writes down who does what, keeps it and lets it work. Whoever calls is alone.
    fn put_team(
        &self,
        who: &Who,
        name: &str,
        (rev, doc): (u64, &TeamDoc),
        told: &str,
    ) -> Result<Value, Refusal> {
        {
            let snapshot = self.store.load();
            let mut known = self.keyring.known();
            let mut frame = known.frame(&snapshot, self.store.grounds(), self.now_ms());
            frame.judge_team(name, doc.team.clone()).map_err(bad)?;
            if rev > 0 {
                let keys = known.of_kind(KEYS, "").filter_map(|(id, kept)| {
                    let unfit = known.unfit.contains_key(&*format!("{KEYS}{id}"));
                    let mut doc = kept
                        .key()
                        .filter(|doc| doc.about.ended.is_none() && !unfit)?;
                    let hash = doc.secrets.first().map(|secret| &secret.hash);
                    doc.key.hash = hash.map(|hash| format!("sha256:{hash}"));
                    Some(doc.key)
                });
                let keys: Vec<Key> = keys.collect();
                let ids: Vec<String> = keys.iter().map(|key| key.id.clone()).collect();
                frame.set_team(name, doc.team.clone());
                for (id, judged) in ids.into_iter().zip(frame.judge_keys(keys)) {
                    judged.map_err(|why| {
                        conflict(format!("the key `{id}` would no longer fit: {why}"))
                    })?;
                }
            }
        }
        self.put(who, (TEAMS, name), (rev, &written(doc)), told)?;
        Ok(view::team(name, doc, None))
    }
}
