//! Wakes are neither lost nor given to who has left, whatever threads do.

use std::sync::atomic::AtomicU32;
use std::task::Wake;

use super::super::line::Class;
use super::*;

const FAR: u64 = u64::MAX;

#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Somebody who waits.
struct One {
    ticket: Ticket,
    bell: Arc<Bell>,
}

impl One {
    fn look(&mut self, now_ns: u64) -> Turn {
        let waker = Waker::from(Arc::clone(&self.bell));
        self.ticket.look(&Context::from_waker(&waker), now_ns)
    }

    fn rang(&self) -> u32 {
        self.bell.0.swap(0, Ordering::Relaxed)
    }
}

fn wants(team: &str, class: Class, pen: &str) -> Wants {
    Wants {
        share: Share {
            team: team.into(),
            weight: 1,
            class,
        },
        pen: pen.into(),
        cost: 1,
        first_ns: 0,
        pace_ns: 0,
    }
}

fn join(door: &Arc<Door>, wants: &Wants) -> One {
    One {
        ticket: door.join(wants, 100, (0, FAR)).unwrap(),
        bell: Arc::default(),
    }
}

#[test]
fn one_is_woken_and_not_the_herd() {
    let door = Arc::<Door>::default();
    let normal = wants("a", Class::Normal, "m");
    let mut all: Vec<One> = (0..10).map(|_| join(&door, &normal)).collect();
    assert_eq!(all[0].look(1), Turn::Mine);
    all[0].ticket.refused(false, 1000, 1);
    assert_eq!(all[0].look(2), Turn::At(1000));
    for one in &mut all[1..] {
        assert_eq!(one.look(2), Turn::Wait);
    }
    door.frees(3);
    assert_eq!(all.iter().map(One::rang).collect::<Vec<_>>()[..2], [1, 0]);
    assert_eq!(all[0].look(3), Turn::Mine);
    all.remove(0).ticket.served(4);
    assert_eq!(all.iter().map(One::rang).sum::<u32>(), 1);
    assert_eq!(all[0].look(4), Turn::Mine);
    // The first leaves: the next is told, and only that one.
    drop(all.remove(0));
    assert_eq!(all.iter().map(One::rang).sum::<u32>(), 1);
    assert_eq!(all[0].look(4), Turn::Mine);
    assert_eq!(door.waiting(), 8);
    drop(all);
    assert_eq!(door.waiting(), 0);
    assert_eq!(door.passes("m", 5), Ok(()));
}

#[test]
fn room_that_came_free_while_it_asked_is_not_missed() {
    let door = Arc::<Door>::default();
    let mut one = join(&door, &wants("a", Class::Normal, "m"));
    assert_eq!(one.look(1), Turn::Mine);
    door.frees(2);
    one.ticket.refused(false, FAR, 2);
    assert_eq!(one.look(3), Turn::Mine);
    // The same where only its pen was full.
    door.frees(4);
    one.ticket.refused(true, FAR, 4);
    assert_eq!(one.look(5), Turn::Mine);
}

#[test]
fn a_full_pen_holds_up_no_other() {
    let door = Arc::<Door>::default();
    let mut full = join(&door, &wants("a", Class::High, "full"));
    let mut behind = join(&door, &wants("a", Class::High, "full"));
    let mut other = join(&door, &wants("a", Class::Low, "other"));
    assert_eq!(other.look(1), Turn::Wait);
    assert_eq!(full.look(1), Turn::Mine);
    full.ticket.refused(true, 500, 1);
    assert_eq!(other.rang(), 1);
    assert_eq!(other.look(2), Turn::Mine);
    assert_eq!(full.look(2), Turn::At(500));
    assert_eq!(behind.look(2), Turn::Wait);
    // Whoever is next in that pen takes over the watch.
    drop(full);
    assert_eq!(behind.rang(), 1);
    assert_eq!(behind.look(3), Turn::At(500));
    other.ticket.served(4);
    assert_eq!(behind.look(500), Turn::Mine);
}

#[test]
fn what_the_vendor_shut_opens_when_it_said() {
    let door = Arc::<Door>::default();
    let pen: Arc<str> = "m".into();
    door.close(&pen, 1000);
    assert_eq!(door.passes("m", 10), Err(990));
    assert_eq!(door.passes("other", 10), Ok(()));
    let late = door.join(&wants("a", Class::High, "m"), 10, (10, 900));
    assert_eq!(late.unwrap_err(), Turned::Late { after_ns: 990 });
    let mut one = join(&door, &wants("a", Class::High, "m"));
    assert_eq!(one.look(10), Turn::At(1000));
    // Room of ours does not open what the vendor shut.
    door.frees(20);
    assert_eq!(one.look(20), Turn::At(1000));
    assert_eq!(one.look(1000), Turn::Mine);
    one.ticket.served(1000);
    assert_eq!(door.passes("m", 1000), Ok(()));
}

#[test]
fn the_line_is_bounded_and_the_hopeless_are_told_at_once() {
    let door = Arc::<Door>::default();
    let slow = Wants {
        first_ns: 100,
        pace_ns: 100,
        ..wants("a", Class::Normal, "m")
    };
    let waiting: Vec<_> = (0..3)
        .map(|_| door.join(&slow, 3, (0, 1000)).unwrap())
        .collect();
    let full = door.join(&slow, 3, (0, 1000)).unwrap_err();
    assert_eq!(full, Turned::Full { after_ns: 400 });
    let late = door.join(&slow, 9, (0, 399)).unwrap_err();
    assert_eq!(late, Turned::Late { after_ns: 400 });
    // An urgent one overtakes.
    let urgent = Wants {
        share: Share {
            class: Class::High,
            ..slow.share.clone()
        },
        ..slow.clone()
    };
    assert!(door.join(&urgent, 9, (0, 100)).is_ok());
    drop(waiting);
    assert!(door.join(&slow, 3, (0, 100)).is_ok());
}

#[test]
fn the_pace_is_learnt_from_turns() {
    let door = Arc::<Door>::default();
    let normal = wants("a", Class::Normal, "m");
    let mut all: Vec<One> = (0..20).map(|_| join(&door, &normal)).collect();
    for turn in 0..10 {
        all.remove(0).ticket.served(turn * 50);
    }
    // Ten wait, a turn takes 50.
    let late = door.join(&normal, 100, (500, 900)).unwrap_err();
    assert_eq!(late, Turned::Late { after_ns: 500 });
    assert!(door.join(&normal, 100, (500, 1000)).is_ok());
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Many threads through a door for three: nobody sleeps while there is room, though some leave in the line.
#[test]
fn no_wake_is_lost() {
    use crate::limit::level::{Now, Window};
    use crate::limit::meter::{self, Charge, Hold, Limit, Meters, OnOutage, Owner, Unit};
    use std::thread;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(20);
    let meters = Meters::default();
    let limit = Limit {
        unit: Unit::Concurrent,
        window: Window::Held,
        amount: 3,
        soft: None,
        on_outage: OnOutage::Local,
        zone_s: 0,
    };
    let meter = meters.meter(Owner::Provider("p".into()), limit);
    let door = Arc::<Door>::default();
    let one = |team: usize, round: u64| {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let cx = Context::from_waker(&waker);
        let classes = [Class::High, Class::Normal, Class::Low];
        let wants = wants(&team.to_string(), classes[team % 3], "m");
        let mut ticket = door.join(&wants, 1000, (round, FAR)).unwrap();
        let began = Instant::now();
        loop {
            match ticket.look(&cx, round) {
                // It leaves as it stands: asked, woken, or neither.
                _ if (round + team as u64).is_multiple_of(5) => return,
                Turn::Mine => {
                    let mut hold = Hold::default();
                    let charges = [Charge::all(&meter, 1)];
                    if meter::reserve(&charges, Now::default(), &mut hold).is_ok() {
                        ticket.served(round);
                        thread::yield_now();
                        drop(hold);
                        door.frees(round);
                        return;
                    }
                    ticket.refused(round.is_multiple_of(2), FAR, round);
                }
                Turn::At(_) | Turn::Wait => thread::park_timeout(LONG),
            }
            assert!(began.elapsed() < LONG, "it slept on");
        }
    };
    thread::scope(|scope| {
        for team in 0..8 {
            let one = &one;
            scope.spawn(move || (1..300).for_each(|round| one(team, round)));
        }
    });
    assert_eq!(door.waiting(), 0);
}
