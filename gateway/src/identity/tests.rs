//! Tests of what outlives a config.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use policies::access::principal::Membership;

use super::*;
use crate::config::snapshot::Grades;
use crate::recent::Recent;

fn spec() -> KeySpec {
    KeySpec {
        id: Box::default(),
        digest: [0; 32],
        user: Some("li".into()),
        team: None,
        certificate: None,
        grade: Grade::LOWEST,
        models: policies::access::keys::Models::All,
        scope: policies::access::scope::Scope::default(),
        expires_ms: None,
        public: false,
        own: None,
        meters: Arc::default(),
        share: policies::limit::line::Share::of("li"),
    }
}

fn session(principal: Principal) -> Arc<Session> {
    Arc::new(Session {
        principal: Some(Arc::new(principal)),
        unread: false,
        person: person("li", &[]),
        roles: Vec::new(),
        key: [0; 32],
        version: (1, 0),
    })
}

/// A stream that began under an earlier config holds that config's principal: its session was forgotten as if nothing ran,
/// and nobody could stop the stream any more.
#[test]
fn a_session_is_in_use_by_streams_of_an_earlier_config() {
    let older = session(Principal::new(spec()));
    assert!(!in_use(&older));
    let stream = older.principal.clone().unwrap();
    assert!(in_use(&older));
    let mut renewed = Principal::new(spec());
    renewed.follow(&stream);
    let renewed = session(renewed);
    drop(older);
    let mut recent: Recent<u32, Arc<Session>> = Recent::new(4);
    recent.put(0, renewed, in_use);
    for n in 1..100 {
        recent.put(n, session(Principal::new(spec())), in_use);
    }
    let kept = recent.get(&0, in_use).expect("forgotten while it runs");
    kept.stop_unless(None);
    assert!(stream.is_stopped());
    drop(stream);
    assert!(!in_use(recent.get(&0, in_use).unwrap()));
}

/// Several requests meet a key that is not there in the same moment: one sets off the fetch, and none is told before it that
/// its token is wrong. Who looked in keys that were replaced meanwhile looks again.
#[test]
fn who_misses_a_key_at_the_same_moment_waits_for_the_same_fetch() {
    const AT_ONCE: usize = 4;
    let people = directory(rights(None, &[]));
    let issuer = &people.issuer;
    let at = |mono_ns| Now {
        mono_ns,
        ..Now::default()
    };
    for _ in 0..2000 {
        issuer.pending.store(false, Ordering::Release);
        *issuer.asked_ns.lock().unwrap() = 0;
        let barrier = std::sync::Barrier::new(AT_ONCE);
        std::thread::scope(|scope| {
            let asks = (0..AT_ONCE).map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    matches!(issuer.ask(at(5), None), Miss::Unknown(_))
                })
            });
            let asks: Vec<_> = asks.collect();
            assert!(asks.into_iter().all(|ask| ask.join().unwrap()));
        });
    }
    // The fetch has ended, and brought something since it was looked.
    // RFC 8037, appendix A.2.
    let keys = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    issuer.take(jwt::Keys::read(keys).unwrap(), at(6));
    issuer.pending.store(false, Ordering::Release);
    assert!(matches!(issuer.ask(at(7), None), Miss::Unknown(_)));
    let held = issuer.keys.load_full();
    assert!(matches!(
        issuer.ask(at(7), held.as_ref()),
        Miss::Denied("unknown_key")
    ));
}

/// An issuer that nobody asks, with these rights.
pub(crate) fn directory(rights: Rights) -> Directory {
    let client = crate::config::snapshot::ClientTls::default();
    let settings = Settings {
        source: Source {
            issuer: "https://sso.example.com".into(),
            jwks_url: None,
            tls: crate::audit::http::Tls {
                client: crate::server::tls::client(&client, false).unwrap(),
                server_name: None,
            },
        },
        tls_mark: [0; 32],
        wanted: Wanted {
            issuer: "https://sso.example.com".into(),
            audiences: Vec::new(),
            leeway_s: 0,
        },
        names: Names {
            team: "groups".into(),
            user: "sub".into(),
            roles: None,
            grade: None,
        },
        refresh: Duration::from_secs(60),
        stale: Duration::from_secs(3600),
    };
    Directory::new(settings, rights, None)
}

/// A person with these groups.
pub(crate) fn person(user: &str, groups: &[&str]) -> Person {
    Person {
        user: user.into(),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        roles: Vec::new(),
        grades: Vec::new(),
        expires_ms: u64::MAX,
    }
}

/// Of somebody's own limits the meters, as their first token makes them.
pub(crate) fn meters(people: &Directory, user: &str, group: &str) -> Vec<Arc<Meter>> {
    let person = person(user, &[group]);
    let session = people.made(&people.rights(), person, [0; 32], Now::default());
    session.principal.unwrap().meters().cloned().collect()
}

/// Rights by these groups, where there are only the teams `staff` and `lab`.
pub(crate) fn rights(groups: Option<&[(&str, &str)]>, limits: &[(&str, Vec<Limit>)]) -> Rights {
    let mut teams: HashMap<Box<str>, (Membership, Vec<Limit>)> = ["staff", "lab"]
        .map(|team| (team.into(), (Membership::none(), Vec::new())))
        .into();
    for (team, limits) in limits {
        teams.get_mut(*team).unwrap().1.clone_from(limits);
    }
    Rights {
        version: (1, 0),
        teams,
        unread: false,
        groups: groups.map(|pairs| {
            let pairs = pairs.iter();
            pairs
                .map(|(group, team)| ((*group).into(), (*team).into()))
                .collect()
        }),
        fallback: Some("staff".into()),
        grade: Grade::LOWEST,
        grades: Grades::new(&["public"]),
        roles: HashMap::new(),
        meters: Arc::default(),
    }
}

#[track_caller]
fn team_of(rights: &Rights, groups: &[&str], expected: Option<&str>) {
    let groups: Vec<String> = groups.iter().map(|group| (*group).into()).collect();
    let team = rights.team(&groups);
    let team = team.filter(|team| rights.teams.contains_key(*team));
    assert_eq!(team, expected, "{groups:?}");
}

/// Contractors had the staff's models and budget as long as their own team was not there.
#[test]
fn who_is_of_a_team_that_is_gone_is_of_no_other() {
    let mapped = rights(Some(&[("contractors", "gone"), ("/lab", "lab")]), &[]);
    team_of(&mapped, &["contractors"], None);
    team_of(&mapped, &["contractors", "/lab"], None);
    team_of(&mapped, &["unheard", "/lab", "contractors"], Some("lab"));
    team_of(&mapped, &["unheard", "lab"], Some("staff"));
    team_of(&mapped, &[], Some("staff"));
    let mut named = rights(None, &[]);
    team_of(&named, &["unheard", "lab"], Some("lab"));
    team_of(&named, &["unheard"], Some("staff"));
    // It may be one that the admin API made: nobody knows yet.
    named.unread = true;
    team_of(&named, &["unheard", "lab"], None);
    team_of(&named, &["lab", "unheard"], Some("lab"));
    team_of(&named, &[], Some("staff"));
    let made = |rights: &Rights, groups: &[&str]| {
        let people = directory(self::rights(None, &[]));
        people.made(rights, person("li", groups), [0; 32], Now::default())
    };
    assert!(made(&named, &["unheard"]).unread);
    assert!(!made(&named, &["lab"]).unread && !made(&mapped, &["contractors"]).unread);
}
