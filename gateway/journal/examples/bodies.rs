//! What keeping a prompt and a reply costs: `cargo run --release -p journal --example bodies -- DIR`
//!
//! One thread, as a worker does it: both sealed and written, and both hashed, against nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement for people, not part of the product"
)]

use std::sync::Arc;
use std::time::Instant;

use journal::clock::{Clock, SystemClock};
use journal::seal::{Bodies, Body, Direction, Form, LocalKek, Period, Settings, Who};
use journal::{Config, Journal};

const ROUNDS: u32 = 100_000;

fn main() {
    let dir = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "bodies".to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (journal, _) = Journal::open(Config::new(&dir, 1), Arc::clone(&clock)).unwrap();
    let settings = Settings {
        dir: dir.clone().into(),
        shards: 1,
        file_bytes: 128 << 20,
        body_bytes: 8 << 20,
        buffer_bytes: 64 << 20,
        room_bytes: 0,
        period: Period::Month,
    };
    let kek = Arc::new(LocalKek::of_dir(dir.as_ref(), true).unwrap());
    let bodies = Bodies::open(settings, clock, kek, &journal).unwrap();
    let subject = bodies.prints().subject(Who::Key("k"));
    let key = bodies.make_key(&subject).unwrap();
    let prose = "A prompt of ordinary words, which pack as such words do. 早上好,请看一下。 ";
    for (name, bytes, rounds) in [
        ("1 KiB", 1 << 10, ROUNDS),
        ("64 KiB", 64 << 10, ROUNDS / 20),
        ("200 KiB", 200 << 10, ROUNDS / 50),
    ] {
        let text: Vec<u8> = prose.bytes().cycle().take(bytes).collect();
        let each = |what: &str, work: &mut dyn FnMut()| {
            let from = Instant::now();
            (0..rounds).for_each(|_| work());
            let ns = from.elapsed().as_nanos() / u128::from(rounds);
            println!("{name}: {what} {ns} ns");
        };
        each("sealed and written", &mut || {
            let place = (0, "01ARYZ6S410000000000000000");
            let mut body = Body::new(&bodies, &key, place, Direction::Reply, Form::Sealed);
            body.add(&text);
            assert!(!body.finish().is_nothing());
        });
        each("fingerprint", &mut || {
            let mut print = bodies.prints().content();
            print.add(&text);
            std::hint::black_box(print.finish());
        });
    }
    println!("{:?}", bodies.counters());
}
