//! Tests of what outlives a config.

use super::*;

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
        person: Person {
            user: "li".into(),
            groups: Vec::new(),
            roles: Vec::new(),
            grades: Vec::new(),
            expires_ms: u64::MAX,
        },
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
