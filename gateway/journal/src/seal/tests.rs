//! Bodies on a real directory: what is sealed is read again, by nobody else, and no longer once it is shredded.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::files::parse_name;
use super::*;
use crate::clock::ManualClock;
use crate::line::{Fields, Object};

const ID: &str = "01ARYZ6S410000000000000000";

struct Place {
    dir: TempDir,
    clock: Arc<ManualClock>,
}

struct Open {
    bodies: Arc<Bodies>,
    journal: Arc<Journal>,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            clock: Arc::new(ManualClock::at(1_764_115_200_000)),
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            dir: self.dir.path().to_owned(),
            shards: 2,
            file_bytes: 4 << 20,
            body_bytes: 8 << 20,
            buffer_bytes: 1 << 20,
            room_bytes: 0,
            period: Period::Month,
        }
    }

    fn open_with(&self, settings: Settings) -> Open {
        let config = crate::Config {
            reserve_bytes: 1 << 16,
            ..crate::Config::new(self.dir.path(), 2)
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let (journal, _) = Journal::open(config, Arc::clone(&clock)).unwrap();
        let kek = Arc::new(LocalKek::of_dir(self.dir.path(), true).unwrap());
        let bodies = Bodies::open(settings, clock, kek, &journal).unwrap();
        Open { bodies, journal }
    }

    fn open(&self) -> Open {
        self.open_with(self.settings())
    }

    fn opener(&self) -> Opener {
        let kek = Arc::new(LocalKek::of_dir(self.dir.path(), false).unwrap());
        Opener::new(self.dir.path(), kek)
    }

    fn read(&self, kept: &Kept) -> Result<Vec<u8>, OpenError> {
        self.opener()
            .open(ID, Direction::Request, &reference(kept), u64::MAX)
    }

    fn files(&self, ending: &str) -> Vec<std::path::PathBuf> {
        all_files(self.dir.path())
            .into_iter()
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect()
    }
}

fn all_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

impl Open {
    fn keep(&self, user: &str, pieces: &[&[u8]]) -> Kept {
        let subject = self.bodies.prints().subject(Who::User(user));
        let key = self.bodies.make_key(&subject).unwrap();
        let mut body = Body::new(
            &self.bodies,
            &key,
            (0, ID),
            Direction::Request,
            Form::Sealed,
        );
        pieces.iter().for_each(|piece| body.add(piece));
        body.finish()
    }
}

fn reference(kept: &Kept) -> Reference {
    serde_json::from_slice(&written(kept)).unwrap()
}

fn written(kept: &Kept) -> Vec<u8> {
    let mut out = Vec::new();
    Object::put(&mut out, |object| kept.write(object));
    out
}

/// Bytes without a pattern that could be packed.
fn noise(bytes: usize) -> Vec<u8> {
    let mut x = 0x9E37_79B9_7F4A_7C15_u64;
    let mut step = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..bytes).map(|_| step()).collect()
}

#[test]
fn bodies_of_any_size_and_cut_read_back() {
    let place = Place::new();
    let open = place.open();
    let text = "早上好 <b>\u{202e}\x1b[31m\0\r\n".repeat(9000).into_bytes();
    for bytes in [&text[..], &noise(300_000), b"x", &vec![b' '; 8 << 20]] {
        for cut in [1 << 30, 64 << 10, 10_007, 65_537] {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let kept = open.keep("li", &pieces);
            assert_eq!(reference(&kept).size, bytes.len() as u64);
            assert!(place.read(&kept).unwrap() == bytes, "cut {cut}");
        }
    }
    assert!(open.keep("li", &[]).is_nothing());
}

#[test]
fn what_is_too_long_is_cut_and_said() {
    let place = Place::new();
    let open = place.open_with(Settings {
        body_bytes: 70_000,
        ..place.settings()
    });
    let kept = open.keep("li", &[&noise(65_000), &noise(65_000), b"more"]);
    let named = reference(&kept);
    assert_eq!(
        (named.size, named.whole, named.truncated),
        (70_000, 130_004, true)
    );
    let read = place.read(&kept).unwrap();
    assert_eq!(read[65_000..], noise(65_000)[..5_000]);
}

#[test]
fn a_body_opens_in_its_own_place_only() {
    let place = Place::new();
    let open = place.open();
    let one = reference(&open.keep("li", &[b"first"]));
    let two = reference(&open.keep("li", &[b"second"]));
    let opener = place.opener();
    let read = |id: &str, direction, named: &Reference| opener.open(id, direction, named, 100);
    assert_eq!(read(ID, Direction::Request, &one).unwrap(), b"first");
    let damaged = Err(OpenError::Damaged);
    assert_eq!(read("another", Direction::Request, &one), damaged);
    assert_eq!(read(ID, Direction::Reply, &one), damaged);
    let swapped = Reference {
        offset: two.offset,
        ..one.clone()
    };
    assert_eq!(read(ID, Direction::Request, &swapped), damaged);
    let elsewhere = Reference {
        file: "../../etc/passwd".into(),
        ..one.clone()
    };
    assert_eq!(read(ID, Direction::Request, &elsewhere), damaged);
    assert_eq!(
        opener.open(ID, Direction::Request, &two, 3),
        Err(OpenError::TooLarge)
    );
}

#[test]
fn every_flipped_byte_of_a_chain_is_found() {
    let place = Place::new();
    let kept = {
        let open = place.open();
        // Small parts: the buffer is full at once.
        let open = {
            drop(open);
            place.open_with(Settings {
                buffer_bytes: 0,
                ..place.settings()
            })
        };
        open.keep("li", &[b"one ", b"two ", b"three"])
    };
    assert_eq!(place.read(&kept).unwrap(), b"one two three");
    let path = place.dir.path().join(reference(&kept).file);
    let good = fs::read(&path).unwrap();
    assert_eq!(good[64..].len(), 3 * 96 + 13);
    for at in 64..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        fs::write(&path, &bad).unwrap();
        assert_eq!(place.read(&kept), Err(OpenError::Damaged), "byte {at}");
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert_eq!(place.read(&kept), Err(OpenError::Damaged));
    fs::remove_file(&path).unwrap();
    assert_eq!(place.read(&kept), Err(OpenError::Gone));
}

#[test]
fn nothing_stands_in_the_clear() {
    let place = Place::new();
    let open = place.open();
    let secret = b"PLANTED-13912345678";
    for bytes in [10, 3000, 100_000] {
        let body: Vec<u8> = secret.iter().copied().cycle().take(bytes * 10).collect();
        open.keep("li.wei@example.com", &[&body]);
    }
    open.bodies.sync().unwrap();
    for path in all_files(place.dir.path()) {
        let bytes = fs::read(&path).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|at| at == needle);
        assert!(!holds(secret), "{}", path.display());
        assert!(!holds(b"li.wei"), "{}", path.display());
    }
}

#[test]
fn shredding_ends_one_subject_and_no_other() {
    let place = Place::new();
    let open = place.open();
    let (li, wang) = (
        open.keep("li", &[b"of li"]),
        open.keep("wang", &[b"of wang"]),
    );
    let subject = open.bodies.prints().subject(Who::User("li"));
    // Another process: the gateway lets go within its next round.
    let done = shred(place.dir.path(), &subject).unwrap();
    assert_eq!((done.keys.len(), done.pending), (1, false));
    assert!(open.bodies.key(&subject).is_none());
    assert_eq!(place.read(&li), Err(OpenError::Shredded));
    assert_eq!(place.read(&wang).unwrap(), b"of wang");
    // Life goes on, under a new key.
    let later = open.keep("li", &[b"later"]);
    assert_eq!(place.read(&later).unwrap(), b"later");
    assert_eq!(place.read(&li), Err(OpenError::Shredded));
    // With nobody serving.
    drop(open);
    let done = shred(place.dir.path(), &subject).unwrap();
    assert_eq!((done.keys.len(), done.pending), (1, false));
    assert_eq!(place.read(&later), Err(OpenError::Shredded));
    assert_eq!(shred(place.dir.path(), &subject).unwrap().keys.len(), 0);
}

#[test]
fn an_order_that_a_crash_left_is_carried_out_at_the_next_start() {
    let place = Place::new();
    let kept = {
        let open = place.open();
        let kept = open.keep("li", &[b"x"]);
        // Written after the gateway looked for the last time.
        drop(open);
        kept
    };
    let orders = place.dir.path().join(KEYS).join("shred");
    fs::create_dir_all(&orders).unwrap();
    fs::write(orders.join(reference(&kept).subject), b"").unwrap();
    drop(place.open());
    assert_eq!(place.read(&kept), Err(OpenError::Shredded));
    assert!(fs::read_dir(&orders).unwrap().next().is_none());
}

#[test]
fn a_wrong_key_and_a_damaged_key_file_are_told_apart() {
    let place = Place::new();
    let kept = place.open().keep("li", &[b"x"]);
    let other = LocalKek::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let opener = Opener::new(place.dir.path(), Arc::new(other));
    assert_eq!(
        opener.open(ID, Direction::Request, &reference(&kept), 9),
        Err(OpenError::OtherKek)
    );
    let [path] = &place.files(".key")[..] else {
        panic!("one key")
    };
    let good = fs::read(path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        fs::write(path, &bad).unwrap();
        let read = place.read(&kept);
        assert!(
            matches!(read, Err(OpenError::KeyDamaged | OpenError::OtherKek)),
            "byte {at}: {read:?}"
        );
    }
    fs::write(path, &good).unwrap();
    assert_eq!(place.read(&kept).unwrap(), b"x");
    assert!(LocalKek::parse("c2hvcnQ=").is_none());
    assert!(LocalKek::parse("no base64 !").is_none());
}

#[test]
fn a_key_is_used_for_one_period_and_one_run() {
    let place = Place::new();
    let open = place.open_with(Settings {
        period: Period::Day,
        ..place.settings()
    });
    open.keep("li", &[b"a"]);
    open.keep("li", &[b"b"]);
    assert_eq!(place.files(".key").len(), 1);
    place.clock.advance_ms(86_400_000);
    let next_day = open.keep("li", &[b"c"]);
    assert_eq!(place.files(".key").len(), 2);
    drop(open);
    let open = place.open();
    open.keep("li", &[b"d"]);
    assert_eq!(place.files(".key").len(), 3);
    assert_eq!(place.read(&next_day).unwrap(), b"c");
}

#[test]
fn without_room_bodies_are_dropped_and_that_is_an_event() {
    let place = Place::new();
    let open = place.open_with(Settings {
        room_bytes: u64::MAX,
        ..place.settings()
    });
    let subject = open.bodies.prints().subject(Who::Key("k"));
    let key = open.bodies.make_key(&subject).unwrap();
    let start = std::time::Instant::now();
    loop {
        let mut body = Body::new(
            &open.bodies,
            &key,
            (0, ID),
            Direction::Reply,
            Form::Redacted,
        );
        body.add(b"text");
        let kept: serde_json::Value = serde_json::from_slice(&written(&body.finish())).unwrap();
        if kept["dropped"] == "disk" {
            assert_eq!(kept["whole"], 4);
            break;
        }
        assert!(
            start.elapsed().as_secs() < 10,
            "the disk is never looked at"
        );
        std::thread::yield_now();
    }
    assert_eq!(open.bodies.counters().dropped, 1);
    open.journal.shutdown().unwrap();
    let events = crate::read::records(place.dir.path()).unwrap();
    let told = events.filter_map(Result::ok).any(|item| match item {
        crate::read::Item::Record(record) => {
            String::from_utf8_lossy(&record.payload).contains(r#""what":"payload_dropped""#)
        }
        _ => false,
    });
    assert!(told);
}

#[test]
fn names_of_files_are_read_strictly() {
    assert_eq!(parse_name("0000000012-03.pay"), Some((12, 3)));
    for bad in [
        "12-3.pay",
        "0000000012-03.seg",
        "../0000000012-03.pay",
        "0000000012-+3.pay",
    ] {
        assert_eq!(parse_name(bad), None, "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let kek = LocalKek::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let _ = frame::Head::decode(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(kek.unwrap(&text, "x").is_err());
        let wrapped = kek.wrap(&[7; 32], &text).unwrap();
        prop_assert_eq!(kek.unwrap(&wrapped, &text).unwrap(), [7; 32]);
        prop_assert!(kek.unwrap(&wrapped, "another").is_err());
    }
}
