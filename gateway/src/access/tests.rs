//! Keys that want the same certificate, as replicas may make them that do not hear of each other at once.

use std::sync::Arc;

use serde_json::{Value, json};

use super::doc::SecretDoc;
use super::*;
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
