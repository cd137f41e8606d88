//! What holds of every ledger.

use ledger::Lease;
use policies::limit::level::Window;
use policies::limit::meter::{Need, Unit, Used};

use super::server::Cluster;
use super::*;

/// Runs a case on all ledgers.
macro_rules! everywhere {
    ($($name:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::Bench::memory(stringify!($name))).await;
            })*
        }
        mod server {
            $(#[tokio::test]
            async fn $name() {
                let server = crate::server::Server::start();
                super::$name(crate::Bench::shared(stringify!($name), &server.address(), crate::PATIENCE).await).await;
            })*
        }
        /// One cluster for all: starting it takes seconds.
        #[tokio::test]
        async fn on_a_cluster() {
            let cluster = Cluster::start().await;
            $($name(Bench::shared(stringify!($name), &cluster.address(), PATIENCE).await).await;)*
        }
    };
}

everywhere! {
    a_rate_lets_through_what_it_says
    the_refused_are_charged_to_none
    a_settled_estimate_is_what_was_used
    a_stream_grows_or_is_stopped
    a_guess_takes_what_remains
    what_is_held_comes_back
    of_many_at_once_exactly_as_many_pass
    more_than_the_whole_never_passes
    nothing_to_charge_is_no_question
    what_cannot_be_refused_is_counted
}

async fn a_rate_lets_through_what_it_says(bench: Bench) {
    let rate = bench.meter(
        "a",
        limit(Unit::Requests, Window::Rolling(2_000_000_000), 4),
    );
    let begin = tokio::time::Instant::now();
    for _ in 0..4 {
        bench.take(&[(&rate, 1)]).await.unwrap();
    }
    let fifth = bench.take(&[(&rate, 1)]).await;
    let mut passed = 4 + u32::from(fifth.is_ok());
    // On a busy machine one may have refilled by now.
    if begin.elapsed() < Duration::from_millis(500) {
        let (meter, retry_ns, standing) = limited(fifth);
        assert!(Arc::ptr_eq(&meter, &rate));
        assert!(retry_ns.unwrap() <= 500_000_000, "{retry_ns:?}");
        assert_eq!((standing.limit, standing.remaining), (4, 0));
        assert!(standing.reset_ns > 1_000_000_000, "{standing:?}");
    }
    // As many as refill, one each half second, and not one more.
    while passed < 7 {
        passed += u32::from(bench.take(&[(&rate, 1)]).await.is_ok());
        assert!(begin.elapsed() < PATIENCE, "{passed} passed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refilled = u32::try_from(begin.elapsed().as_millis() / 500).unwrap();
    assert!(passed <= 4 + refilled, "{passed} in {:?}", begin.elapsed());
}

async fn the_refused_are_charged_to_none(bench: Bench) {
    let requests = bench.meter("a", limit(Unit::Requests, LONG, 10));
    let budget = bench.meter("a", limit(Unit::Cost, MONTH, 100));
    let held = bench.meter("a", limit(Unit::Concurrent, Window::Held, 5));
    let all = [(&requests, 1), (&held, 1), (&budget, 100)];
    let lease = bench.take(&all).await.unwrap();
    let (meter, retry_ns, _) = limited(bench.take(&all).await);
    assert!(Arc::ptr_eq(&meter, &budget));
    // What is only held may be free in a moment.
    assert_eq!(retry_ns, None);
    assert_eq!(bench.left(&requests).await, 9);
    assert_eq!(bench.left(&held).await, 4);
    let used = Used {
        tokens: 0,
        cost_nano: 100,
    };
    lease.settle(used, now());
    bench.comes_to(&held, 5).await;
    let (meter, retry_ns, _) = limited(bench.take(&all).await);
    assert!(Arc::ptr_eq(&meter, &budget));
    assert!(
        retry_ns.is_some_and(|ns| ns <= 31 * 86_400 * 1_000_000_000),
        "{retry_ns:?}"
    );
    assert_eq!(bench.left(&requests).await, 9);
}

async fn a_settled_estimate_is_what_was_used(bench: Bench) {
    let tokens = bench.meter("a", limit(Unit::Tokens, LONG, 1_000_000));
    let budget = bench.meter("a", limit(Unit::Cost, MONTH, 5_000_000_000_000));
    let mut left = (1_000_000, 5_000_000_000_000);
    for (tokens_used, cost_nano) in [(200, 1_234_567_891), (90_000, 3), (0, 0)] {
        let lease = bench
            .take(&[(&tokens, 500), (&budget, 1_000_000)])
            .await
            .unwrap();
        assert_eq!(bench.left(&tokens).await, left.0 - 500);
        assert_eq!(bench.left(&budget).await, left.1 - 1_000_000);
        let used = Used {
            tokens: tokens_used,
            cost_nano,
        };
        lease.settle(used, now());
        left = (left.0 - tokens_used, left.1 - cost_nano);
        bench.comes_to(&budget, left.1).await;
        bench.comes_to(&tokens, left.0).await;
    }
    // One that nobody settles stays counted.
    drop(bench.take(&[(&budget, 77)]).await.unwrap());
    assert_eq!(bench.left(&budget).await, left.1 - 77);
}

async fn a_stream_grows_or_is_stopped(bench: Bench) {
    let budget = bench.meter("a", limit(Unit::Cost, MONTH, 100));
    let rate = bench.meter("a", limit(Unit::Tokens, LONG, 100));
    let mut lease = bench.take(&[(&budget, 40), (&rate, 90)]).await.unwrap();
    let more = |tokens, cost_nano| Used { tokens, cost_nano };
    lease.grow(more(0, 50), now()).await.unwrap();
    assert_eq!(amounts(&lease), [90, 90]);
    // Of a budget what remains, and then no more; a rate is charged for what it is too late to refuse.
    lease.grow(more(20, 11), now()).await.unwrap();
    assert_eq!(amounts(&lease), [100, 110]);
    let refused = lease.grow(more(20, 11), now()).await.unwrap_err();
    assert!(Arc::ptr_eq(&refused.meter, &budget));
    assert_eq!(amounts(&lease), [100, 110]);
    assert_eq!(bench.left(&rate).await, 0);
    lease.settle(more(70, 95), now());
    bench.comes_to(&budget, 5).await;
    bench.comes_to(&rate, 30).await;
}

fn amounts(lease: &Lease) -> Vec<u64> {
    lease.reserved().map(|(_, amount)| amount).collect()
}

async fn a_guess_takes_what_remains(bench: Bench) {
    let rate = bench.meter("a", limit(Unit::Tokens, LONG, 100));
    let budget = bench.meter("a", limit(Unit::Cost, MONTH, 60));
    let guess = |least| {
        [&rate, &budget].map(|meter| Charge {
            need: Need::Least(least),
            ..Charge::all(meter, 80)
        })
    };
    let lease = bench.take_some(&guess(10)).await.unwrap();
    assert_eq!(amounts(&lease), [80, 60]);
    let (meter, ..) = limited(bench.take_some(&guess(10)).await);
    assert!(Arc::ptr_eq(&meter, &budget));
    let used = Used {
        tokens: 30,
        cost_nano: 20,
    };
    lease.settle(used, now());
    bench.comes_to(&budget, 40).await;
    bench.comes_to(&rate, 70).await;
    let lease = bench.take_some(&guess(40)).await.unwrap();
    assert_eq!(amounts(&lease), [70, 40]);
    // Not even the least: it never will.
    let [_, never] = guess(61);
    let (meter, retry_ns, _) = limited(bench.take_some(&[never]).await);
    assert!(Arc::ptr_eq(&meter, &budget));
    assert_eq!(retry_ns, None);
}

async fn what_is_held_comes_back(bench: Bench) {
    let held = bench.meter("a", limit(Unit::Streams, Window::Held, 2));
    let one = bench.take(&[(&held, 1)]).await.unwrap();
    let two: Lease = bench.take(&[(&held, 1)]).await.unwrap();
    let (_, retry_ns, _) = limited(bench.take(&[(&held, 1)]).await);
    assert_eq!(retry_ns, None);
    one.settle(Used::default(), now());
    bench.comes_to(&held, 1).await;
    drop(two);
    bench.comes_to(&held, 2).await;
}

async fn of_many_at_once_exactly_as_many_pass(bench: Bench) {
    const TASKS: usize = 64;
    let bench = Arc::new(bench);
    for (who, amount, each, pass) in [("one", 100, 60, 1), ("many", 1000, 7, 142)] {
        let budget = bench.meter(who, limit(Unit::Cost, MONTH, amount));
        let requests = bench.meter(who, limit(Unit::Requests, LONG, 100_000));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (bench, budget, requests) = (
                    Arc::clone(&bench),
                    Arc::clone(&budget),
                    Arc::clone(&requests),
                );
                tokio::spawn(async move {
                    let mut passed = 0;
                    for _ in 0..5 {
                        let taken = bench.take(&[(&requests, 1), (&budget, each)]).await;
                        passed += usize::from(taken.is_ok());
                    }
                    passed
                })
            })
            .collect();
        let mut passed = 0;
        for task in tasks {
            passed += task.await.unwrap();
        }
        assert_eq!(passed, pass, "{who}");
        let left = bench.left(&requests).await;
        assert_eq!(left, 100_000 - pass as u64, "the refused were charged");
    }
}

async fn more_than_the_whole_never_passes(bench: Bench) {
    for (window, unit) in [(LONG, Unit::Tokens), (MONTH, Unit::Cost)] {
        let meter = bench.meter("a", limit(unit, window, 10));
        let (_, retry_ns, standing) = limited(bench.take(&[(&meter, 11)]).await);
        assert_eq!((retry_ns, standing.remaining), (None, 10));
        bench.take(&[(&meter, 10)]).await.unwrap();
    }
}

async fn what_cannot_be_refused_is_counted(bench: Bench) {
    let requests = bench.meter("a", limit(Unit::Requests, LONG, 3));
    let budget = bench.meter("a", limit(Unit::Cost, MONTH, 100));
    let charges = [(&requests, 2), (&budget, 30)];
    let charges = charges.map(|(meter, amount)| Charge::all(meter, amount));
    bench.ledger.count(&charges, now());
    bench.comes_to(&requests, 1).await;
    bench.comes_to(&budget, 70).await;
    bench.ledger.count(&charges, now());
    bench.comes_to(&requests, 0).await;
    bench.comes_to(&budget, 40).await;
}

async fn nothing_to_charge_is_no_question(bench: Bench) {
    bench
        .take(&[])
        .await
        .unwrap()
        .settle(Used::default(), now());
}
