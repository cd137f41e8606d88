//! Replicas that share a store: one limit for all, and nothing stuck when one dies.

use ledger::{Doc, Place, Shelf, Written};
use policies::limit::meter::Used;

use super::server::Server;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_hold_one_limit_exactly() {
    let server = Server::start();
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let bench = Bench::shared("two", &server.address(), PATIENCE).await;
        replicas.push(Arc::new(bench));
    }
    let tasks: Vec<_> = (0..64_usize)
        .map(|task| {
            let bench = Arc::clone(&replicas[task % 2]);
            tokio::spawn(async move {
                let tokens = bench.meter("a", limit(Unit::Tokens, LONG, 1000));
                let held = bench.meter("a", limit(Unit::Concurrent, Window::Held, 50));
                let mut passed = 0;
                for _ in 0..10 {
                    if let Ok(lease) = bench.take(&[(&tokens, 10), (&held, 1)]).await {
                        passed += 1;
                        let used = Used {
                            tokens: 10,
                            cost_nano: 0,
                        };
                        lease.settle(used, now());
                    }
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    let tokens = replicas[0].meter("a", limit(Unit::Tokens, LONG, 1000));
    let left = replicas[0].left(&tokens).await;
    assert_eq!(left, 1000 - passed * 10);
    // Refused for want of a place, some come too late; the rest passes one after the other, and then none.
    for _ in 0..left / 10 {
        replicas[1].take(&[(&tokens, 10)]).await.unwrap();
    }
    assert!(replicas[0].take(&[(&tokens, 1)]).await.is_err());
}

#[tokio::test]
async fn what_a_dead_replica_held_is_free_again_and_what_it_reserved_is_not() {
    let server = Server::start();
    let living = Bench::shared("dead", &server.address(), PATIENCE).await;
    let budget = living.meter("a", limit(Unit::Cost, MONTH, 100));
    let held = living.meter("a", limit(Unit::Concurrent, Window::Held, 1));
    let lease = living.take(&[(&held, 1), (&budget, 30)]).await.unwrap();
    // As after `LEASE_TTL` without a sign of the holder.
    let mut connection = server.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("{t}:m:*concurrent*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    let members: Vec<String> = redis::cmd("ZRANGE")
        .arg(key)
        .arg(0)
        .arg(-1)
        .query_async(&mut connection)
        .await
        .unwrap();
    let _: i64 = redis::cmd("ZADD")
        .arg(key)
        .arg(1)
        .arg(&members[0])
        .query_async(&mut connection)
        .await
        .unwrap();
    let _: i64 = redis::cmd("DEL")
        .arg(format!("{{t}}:l:{}", members[0]))
        .query_async(&mut connection)
        .await
        .unwrap();
    let again = living.take(&[(&held, 1), (&budget, 30)]).await.unwrap();
    // The dead one was only slow: what it has to say comes too late and changes nothing.
    lease.settle(Used::default(), now());
    again.settle(
        Used {
            tokens: 0,
            cost_nano: 10,
        },
        now(),
    );
    living.comes_to(&held, 1).await;
    living.comes_to(&budget, 60).await;
}

#[tokio::test]
async fn a_lease_in_use_is_kept_alive() {
    let server = Server::start();
    let bench = Bench::shared("renew", &server.address(), PATIENCE).await;
    let held = bench.meter("a", limit(Unit::Concurrent, Window::Held, 1));
    let lease = bench.take(&[(&held, 1)]).await.unwrap();
    assert_eq!(bench.link().stats().leases, 1);
    lease.settle(Used::default(), now());
    until("let go", || bench.link().stats().leases == 0).await;
}

/// Whether a write that was not answered was made nobody knows. Made once more, it must not look like somebody else's.
#[tokio::test]
async fn a_document_that_was_written_may_be_written_once_more() {
    let server = Server::start();
    let store = Store::parse(&server.address(), "t", PATIENCE).unwrap();
    let shelf = Shelf::new(store, "again");
    let doc = |rev, text: &str| Doc {
        name: "key/a".into(),
        rev,
        text: text.into(),
    };
    for (doc, known, expected) in [
        (doc(1, "x"), 0, Written::Done),
        (doc(1, "x"), 0, Written::Done),
        (doc(1, "y"), 0, Written::Conflict),
        (doc(2, "y"), 1, Written::Done),
        (doc(2, "y"), 1, Written::Done),
        (doc(1, "x"), 0, Written::Conflict),
    ] {
        let written = shelf.write(&doc, known, 9).await.unwrap();
        assert_eq!(written, expected, "{doc:?} over {known}");
    }
    let changes = shelf.changes(&Place::default(), "e").await.unwrap();
    assert_eq!(
        (changes.docs, changes.place.version),
        (vec![doc(2, "y")], 2)
    );
}
