//! Keys that want the same certificate or have the same hash, as replicas may make them that do not hear of each other at once.

use std::sync::Arc;

use policies::access::token::Digest;
use serde_json::{Value, json};

use super::doc::{Done, SecretDoc};
use super::*;
use crate::config::schema::Certificate;
use crate::config::testing::{Book, FULL, env};

struct Bench {
    _dir: tempfile::TempDir,
    store: ConfigStore,
    keyring: Arc<Keyring>,
    rev: u64,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("y.yaml");
    let state = dir.path().join("state").display().to_string();
    std::fs::write(&path, format!("{FULL}state: {{ dir: \"{state}\" }}\n")).unwrap();
    let (store, _) = ConfigStore::open(&path, Box::new(env), Arc::new(Book)).unwrap();
    let keyring = Arc::new(Keyring::open(&store.load().state).unwrap());
    store.with_keys_of(Arc::clone(&keyring));
    Bench {
        _dir: dir,
        store,
        keyring,
        rev: 0,
    }
}

/// A certificate's name, as a connection gives it.
fn shown() -> Digest {
    let certificate: Certificate = serde_json::from_value(json!({"san": "x.example"})).unwrap();
    certificate.name().unwrap()
}

fn token(id: &str) -> String {
    format!("ym-made-{id}")
}

impl Bench {
    /// A key of this id with a secret and the certificate, made at that time; `more` joins what its document says.
    fn doc(&mut self, id: &str, at_ms: u64, more: &Value) -> Doc {
        let pepper = self.keyring.salted().unwrap();
        let mut doc = json!({
            "key": {"id": id, "hash": "", "certificate": {"san": "X.example"}},
            "secrets": [SecretDoc::of_key(&token(id), &pepper, 0)],
            "about": {"created": {"at_ms": at_ms, "by": "somebody"}},
        });
        doc::merge(&mut doc, more);
        self.rev += 1;
        Doc {
            name: format!("{KEYS}{id}"),
            rev: self.rev,
            text: doc.to_string(),
        }
    }

    fn take_in(&mut self, id: &str, at_ms: u64, more: &Value) {
        let doc = self.doc(id, at_ms, more);
        self.keyring.take_in(&self.store, vec![doc]);
    }

    /// Whose the certificate is, and whose secrets of `a` and `b` work.
    fn works(&self) -> (String, [bool; 2]) {
        let keys = &self.store.load().keys;
        let certified = keys.find_certificate(&[shown()], 0);
        let certified = certified.map(|found| found.unwrap().id.to_string());
        let secret = |id: &str| keys.find(token(id).as_bytes(), 0).is_ok();
        (certified.unwrap_or_default(), ["a", "b"].map(secret))
    }

    /// The same after all keys were built anew, as a reload does.
    fn anew(&self) -> (String, [bool; 2]) {
        self.store.reload("asked").unwrap();
        self.works()
    }
}

#[test]
fn a_certificate_stands_for_the_oldest_and_takes_no_key_along() {
    let mut bench = bench();
    let of = |holder: &str| (holder.to_owned(), [true; 2]);
    bench.take_in("a", 2, &json!({}));
    bench.take_in("b", 1, &json!({}));
    // The older comes later, and comes behind it in order.
    assert_eq!(bench.works(), of("b"));
    assert_eq!(bench.anew(), of("b"));
    // One that does not fit the config keeps its certificate, and spoils no other key.
    let misfit = json!({"key": {"models": ["no-such-model"]}});
    bench.take_in("b", 1, &misfit);
    assert_eq!(bench.works(), (String::new(), [true, false]));
    assert_eq!(bench.anew(), (String::new(), [true, false]));
    bench.take_in("b", 1, &json!({}));
    assert_eq!(bench.works(), of("b"));
    // Given up, it comes to the other.
    bench.take_in("b", 1, &json!({"key": {"certificate": null}}));
    assert_eq!(bench.works(), of("a"));
    assert_eq!(bench.anew(), of("a"));
    bench.take_in("b", 1, &json!({}));
    let ended = json!({"about": {"ended": {"at_ms": 3, "by": "somebody"}}});
    bench.take_in("b", 1, &ended);
    assert_eq!(bench.works(), ("a".to_owned(), [true, false]));
}

/// The key that worked used to end with one of the same certificate that did not.
#[test]
fn a_revoked_duplicate_takes_nothing_from_the_key_that_works() {
    let mut bench = bench();
    let bare = json!({"secrets": []});
    bench.take_in("a", 1, &bare);
    bench.take_in("b", 2, &bare);
    let snapshot = bench.store.load();
    let found = || snapshot.keys.find_certificate(&[shown()], 0);
    let held = found().unwrap().unwrap();
    let done = || Done {
        at_ms: 3,
        by: "somebody".to_owned(),
    };
    bench.keyring.revoke_here(&bench.store, "b", done());
    assert_eq!(&*found().unwrap().unwrap().id, "a");
    assert!(!held.is_stopped(), "its requests go on");
    bench.keyring.revoke_here(&bench.store, "a", done());
    assert!(found().is_none() && held.is_stopped());
}

/// Which of two it was used to hang on the order of their ids, after a restart.
#[test]
fn a_hash_stands_for_the_oldest_too() {
    let mut bench = bench();
    let pepper = bench.keyring.salted().unwrap();
    let secrets = |tokens: &[&str]| -> Value {
        let secret = |of: &&str| json!(SecretDoc::of_key(&token(of), &pepper, 0));
        let all: Vec<Value> = tokens.iter().map(secret).collect();
        json!({"key": {"certificate": null}, "secrets": all})
    };
    let whose = |bench: &Bench, of: &str| {
        let found = bench.store.load().keys.find(token(of).as_bytes(), 0);
        found.map_or_else(|_| String::new(), |found| found.id.to_string())
    };
    bench.take_in("b", 1, &secrets(&["twin"]));
    bench.take_in("a", 2, &secrets(&["twin", "own"]));
    for _ in 0..2 {
        assert_eq!(whose(&bench, "twin"), "b");
        assert_eq!(whose(&bench, "own"), "a", "the rest of it works");
        bench.store.reload("asked").unwrap();
    }
    // A third that has a hash of the second builds that anew, and leaves the first what is its.
    bench.take_in("c", 0, &secrets(&["own"]));
    assert_eq!(whose(&bench, "twin"), "b");
    assert_eq!(whose(&bench, "own"), "c");
    let mut ended = secrets(&["twin"]);
    ended["about"] = json!({"ended": {"at_ms": 3, "by": "somebody"}});
    bench.take_in("b", 1, &ended);
    for _ in 0..2 {
        assert_eq!(whose(&bench, "twin"), "a");
        bench.store.reload("asked").unwrap();
    }
}
