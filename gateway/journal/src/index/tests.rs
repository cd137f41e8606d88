//! An index finds what reading the log finds: on random logs, through restarts, damage and erasure, while the log grows.

mod world;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::{Asker, Closing, Event, Opening, What};
use world::{Act, World, acts, queries};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn an_index_finds_what_the_log_says(
        acts in acts(),
        queries in prop::collection::vec(queries(), 12),
        limit in 1..30usize,
    ) {
        let world = World::run(&acts);
        world.agrees(&Query::default(), limit);
        world.sums_agree();
        for query in &queries {
            world.agrees(query, limit);
        }
    }
}

fn busy(requests: usize) -> World {
    let mut acts = Vec::new();
    for at in 0..requests {
        let (at, words) = (at as u8, vec![at as u8 % 8]);
        acts.push(Act::Open {
            key: at % 4,
            model: at % 3,
            words,
        });
        acts.push(Act::Close {
            which: at,
            status: 200,
            provider: 1,
        });
    }
    World::run(&acts)
}

fn parts(dir: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "part"))
        .collect();
    parts.sort();
    parts
}

#[test]
fn a_lost_index_is_built_again() {
    let mut world = busy(100);
    assert!(parts(world.index_dir.path()).len() >= 2);
    for path in parts(world.index_dir.path()) {
        fs::remove_file(path).unwrap();
    }
    // A running gateway notices when it looks; tools use the log.
    let mut rare = Query::default();
    rare.want("status", "404").unwrap();
    assert!(world.index.page(&rare, None, 10, &NoBodies).is_err());
    assert!(
        Index::read(&world.dir(), world.index_dir.path())
            .unwrap()
            .is_none()
    );
    world.feed_all();
    world.agrees(&Query::default(), 7);
    assert!(parts(world.index_dir.path()).len() >= 2);
}

#[test]
fn any_damage_is_noticed_or_harmless() {
    let world = busy(60);
    let part = parts(world.index_dir.path())[1].clone();
    let good = fs::read(&part).unwrap();
    let mut query = Query::default();
    query.want("key", "k1").unwrap();
    query.want_text("身份").unwrap();
    let want = world.read(&query);
    let all = world.read(&Query::default());
    let (mut noticed, mut tried) = (0, 0);
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&part, &bad).unwrap();
        tried += 1;
        match Index::read(&world.dir(), world.index_dir.path()).unwrap() {
            None => noticed += 1,
            Some(index) => {
                for (query, want) in [(&query, &want), (&Query::default(), &all)] {
                    let found = find::page(
                        &world.dir(),
                        Some(&index),
                        query,
                        None,
                        1000,
                        &*world.bodies,
                    );
                    match found {
                        Ok(page) => assert_eq!(page.rows, *want, "byte {at}"),
                        Err(error) => {
                            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}");
                            noticed += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(noticed > 0, "{tried}");
    for length in [0, 1, good.len() / 2, good.len() - 1] {
        fs::write(&part, &good[..length]).unwrap();
        assert!(
            Index::read(&world.dir(), world.index_dir.path())
                .unwrap()
                .is_none()
        );
    }
    // Whoever may write builds it anew.
    let mut world = world;
    world.reopen();
    assert_eq!(world.index.complete_to(), 0);
    world.feed_all();
    world.agrees(&query, 5);
}

#[test]
fn another_journals_index_is_not_believed() {
    let (one, mut other) = (busy(60), busy(80));
    for path in parts(one.index_dir.path()) {
        fs::remove_file(path).unwrap();
    }
    other.journal.note(&Event::default()).unwrap();
    for path in parts(other.index_dir.path()) {
        fs::copy(&path, one.index_dir.path().join(path.file_name().unwrap())).unwrap();
    }
    assert!(
        Index::read(&one.dir(), one.index_dir.path())
            .unwrap()
            .is_none()
    );
    other.reopen();
    other.feed_all();
    other.agrees(&Query::default(), 9);
}

#[test]
fn pages_stay_as_they_were_while_the_log_grows() {
    let mut world = busy(100);
    let want = world.read(&Query::default());
    let written = AtomicUsize::new(0);
    let (mut rows, mut cursor) = (Vec::new(), None);
    let journal = Arc::clone(&world.journal);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300 {
                let id = format!("new-{n}");
                let opening = Opening {
                    who: Asker {
                        id: &id,
                        ..Asker::default()
                    },
                    ..Opening::default()
                };
                journal
                    .begin(n, &opening)
                    .unwrap()
                    .close(&Closing::default());
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        loop {
            let page = world
                .index
                .page(&Query::default(), cursor, 3, &NoBodies)
                .unwrap();
            rows.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            world.feed_all();
        }
    });
    assert_eq!(rows, want);
    world.feed_all();
    assert_eq!(
        world.read(&Query::default()).len(),
        want.len() + written.into_inner()
    );
    world.agrees(&Query::default(), 50);
}

#[test]
fn erased_texts_are_forgotten() {
    let subject = |n: usize| format!("{n:064}");
    let texts = (0..80).map(|n| (format!("r{n}"), format!("秘密{} 共同", n % 4)));
    let mut world = World::new(texts.collect());
    for n in 0..80 {
        let kept = crate::seal::Kept::of_subject(n % 4);
        let opening = Opening {
            who: Asker {
                id: &format!("r{n}"),
                ..Asker::default()
            },
            request_body: Some(&kept),
            ..Opening::default()
        };
        world
            .journal
            .begin(0, &opening)
            .unwrap()
            .close(&Closing::default());
    }
    world.feed_all();
    let find = |text: &str| {
        let mut query = Query::default();
        query.want_text(text).unwrap();
        query
    };
    assert_eq!(world.indexed(&find("秘密2"), 100).len(), 20);
    let mut by_subject = Query::default();
    by_subject.want("subject", &subject(2)).unwrap();
    assert_eq!(world.indexed(&by_subject, 100).len(), 20);
    let event = Event {
        what: What::Shred,
        subject: &subject(2),
        ..Event::default()
    };
    world.journal.note(&event).unwrap();
    world.feed_all();
    // The bodies of this test stay readable: what is not found is what the index forgot.
    assert_eq!(world.indexed(&find("秘密2"), 100), []);
    assert_eq!(world.indexed(&find("共同"), 100).len(), 60);
    world.reopen();
    assert_eq!(
        world
            .index
            .page(&find("秘密2"), None, 9, &*world.bodies)
            .unwrap()
            .rows,
        []
    );
    world.feed_all();
    world.agrees(&by_subject, 30);
}

#[test]
fn long_texts_are_found_too() {
    let everything: String = (0x20..0x1_0000).filter_map(char::from_u32).collect();
    let big = "永远".repeat(8 << 17) + "针";
    let texts = HashMap::from([("r0".to_owned(), everything), ("r1".to_owned(), big)]);
    let mut world = World::new(texts);
    for n in 0..40 {
        let opening = Opening {
            who: Asker {
                id: &format!("r{n}"),
                ..Asker::default()
            },
            ..Opening::default()
        };
        world
            .journal
            .begin(0, &opening)
            .unwrap()
            .close(&Closing::default());
    }
    world.feed_all();
    for text in ["针", "远针", "永永", "\u{4e00}\u{4e01}\u{4e02}"] {
        let mut query = Query::default();
        query.want_text(text).unwrap();
        world.agrees(&query, 3);
    }
}
