//! A store that is gone, frozen, or back: as each limit says, at once, and nothing is spent twice.

use policies::limit::meter::Used;

use super::server::Server;
use super::*;

/// The longest that a request may hang.
const HANG: Duration = Duration::from_millis(100);

fn strict(unit: Unit, window: Window, amount: u64) -> Limit {
    Limit {
        on_outage: OnOutage::Refuse,
        ..limit(unit, window, amount)
    }
}

#[tokio::test]
async fn without_the_store_each_limit_does_what_it_says() {
    let mut server = Server::start();
    let bench = Bench::shared("gone", &server.address(), Duration::from_millis(50)).await;
    let local = bench.meter("local", limit(Unit::Requests, LONG, 3));
    let budget = bench.meter("strict", strict(Unit::Cost, MONTH, 100));
    // A busy machine may be later than the store's time-out.
    let before = bench.take_in_time(&[(&local, 1), (&budget, 60)]).await;
    server.kill();
    // The first to notice.
    let _ = bench.take(&[(&local, 1)]).await;
    until("noticed", || !bench.link().stats().up).await;
    let machine = Lateness::measure();
    // On its own it allows its share, which is all where there is one replica, and never more.
    let mut passed = 0;
    for _ in 0..10 {
        let begin = Instant::now();
        passed += u32::from(bench.take(&[(&local, 1)]).await.is_ok());
        assert!(matches!(
            bench.take(&[(&local, 1), (&budget, 1)]).await,
            Err(Refused::Down(meter)) if Arc::ptr_eq(&meter, &budget)
        ));
        assert!(begin.elapsed() < HANG + machine.worst());
    }
    assert!(passed <= 3, "{passed}");
    // Settled while the store is away: it is told when it is back.
    before.settle(
        Used {
            tokens: 0,
            cost_nano: 25,
        },
        now(),
    );
    server.restart();
    until("back", || bench.link().stats().up).await;
    bench.comes_to(&budget, 75).await;
    bench.take_in_time(&[(&budget, 75)]).await;
    bench.comes_to(&budget, 0).await;
}

#[tokio::test]
async fn a_frozen_store_holds_up_one_request_for_a_moment() {
    let server = Server::start();
    let bench = Bench::shared("frozen", &server.address(), Duration::from_millis(50)).await;
    let rate = bench.meter("local", limit(Unit::Requests, LONG, 1000));
    bench.take(&[(&rate, 1)]).await.unwrap();
    server.signal("-STOP");
    let machine = Lateness::measure();
    for at in 0..20 {
        let begin = Instant::now();
        bench.take(&[(&rate, 1)]).await.unwrap();
        let took = begin.elapsed();
        let late = machine.worst();
        assert!(took < HANG + late, "request {at} hung {took:?}");
        if at > 0 {
            assert!(
                took < Duration::from_millis(25) + late,
                "request {at} waited {took:?}"
            );
        }
    }
    server.signal("-CONT");
    until("back", || bench.link().stats().up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_under_load_nothing_is_spent_twice() {
    let mut server = Server::start();
    let address = server.address();
    let bench = Arc::new(Bench::shared("load", &address, Duration::from_millis(50)).await);
    let budget = bench.meter("a", strict(Unit::Cost, MONTH, 1_000_000));
    let machine = Lateness::measure();
    let tasks: Vec<_> = (0..16_u64)
        .map(|_| {
            let (bench, budget) = (Arc::clone(&bench), Arc::clone(&budget));
            tokio::spawn(async move {
                let mut spent = 0;
                let mut slowest = Duration::ZERO;
                for _ in 0..300 {
                    let begin = Instant::now();
                    let taken = bench.take(&[(&budget, 50)]).await;
                    slowest = slowest.max(begin.elapsed());
                    if let Ok(lease) = taken {
                        spent += 20;
                        let used = Used {
                            tokens: 0,
                            cost_nano: 20,
                        };
                        lease.settle(used, now());
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (spent, slowest)
            })
        })
        .collect();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.restart();
    }
    let (mut spent, mut slowest) = (0, Duration::ZERO);
    for task in tasks {
        let (of_task, slow) = task.await.unwrap();
        spent += of_task;
        slowest = slowest.max(slow);
    }
    assert!(
        slowest < HANG + machine.worst(),
        "a request hung {slowest:?}"
    );
    until("back", || bench.link().stats().up).await;
    // What was reserved by a call whose answer was lost is settled as unused: exact again, never too little.
    bench.comes_to(&budget, 1_000_000 - spent).await;
}
