//! A tree on disk: grown in steps of any length, stopped at any moment, found again or refused.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::checkpoint::{Signed, parse_all};
use super::super::grow::{Error, Grower, Step};
use super::super::hash::{Hash, Leaves, absent_leaf};
use super::super::keys::{KeyError, KeySource, open_key, verifiers};
use super::super::note::Signer;
use super::super::tiles::{TileName, TileReader, edge};
use super::super::{TreeDir, proof};
use super::mth;
use crate::clock::ManualClock;
use crate::follow::{Follower, Next, Until};
use crate::{Config, Event, Journal};

fn journal(dir: &Path) -> Arc<Journal> {
    let config = Config {
        segment_bytes: 20_000,
        reserve_bytes: 16 * crate::CLOSING_ROOM,
        ..Config::new(dir, 2)
    };
    let clock = Arc::new(ManualClock::at(1_000));
    Journal::open(config, clock).unwrap().0
}

fn write(journal: &Journal, count: usize) {
    for _ in 0..count {
        journal.note(&Event::default()).unwrap();
    }
    journal.tick();
}

fn key(dir: &Path) -> Signer {
    open_key(dir, &KeySource::default()).unwrap().0
}

fn grower(dir: &Path) -> Grower {
    Grower::open(dir, key(dir)).unwrap().0
}

fn catch_up(grower: &mut Grower, journal: &Journal) {
    while grower.grow(journal.synced_frontier(), 1_000).unwrap() != Step::Done {}
}

/// The leaves as the segments have them.
fn leaves(dir: &Path) -> Vec<Hash> {
    let mut follower = Follower::open(dir, 0).unwrap();
    let mut found = Vec::new();
    while let Some(next) = follower.next(Until::End).unwrap() {
        match next {
            Next::Record(record) => {
                found.push(Leaves::default().hash(&[&[record.kind as u8], record.payload]));
            }
            Next::Missing { count, .. } => found.extend((0..count).map(|_| absent_leaf())),
            Next::Damage(_) => panic!("damage"),
        }
    }
    found
}

/// Every checkpoint has the root of the leaves, and every proof is to be had from the tiles.
fn assert_sound(dir: &Path) -> Vec<Signed> {
    let tree = TreeDir::of(dir);
    let leaves = leaves(dir);
    let (all, flaw) = parse_all(&fs::read(tree.checkpoints()).unwrap());
    assert_eq!(flaw, None);
    let keys = verifiers(&tree.key_pub()).unwrap();
    for signed in &all {
        let size = signed.checkpoint.size as usize;
        assert_eq!(signed.checkpoint.root, mth(&leaves[..size]), "{size}");
        let line = &signed.note.signatures[0];
        assert!(keys.iter().any(|key| key.verifies(&signed.note.text, line)));
    }
    assert!(all.is_sorted_by(|a, b| a.checkpoint.size < b.checkpoint.size));
    let last = &all.last().unwrap().checkpoint;
    let mut tiles = TileReader::new(tree.path(), last.size);
    assert_eq!(proof::root(&mut tiles, last.size).unwrap(), last.root);
    for index in (0..last.size).step_by(37) {
        let path = proof::inclusion(&mut tiles, index, last.size).unwrap();
        let root = proof::root_of_inclusion(leaves[index as usize], index, last.size, &path);
        assert_eq!(root, Some(last.root));
    }
    for old in &all {
        let old = &old.checkpoint;
        let made = proof::consistency(&mut tiles, old.size, last.size).unwrap();
        assert!(proof::is_consistent(
            old.size, last.size, &old.root, &last.root, &made
        ));
    }
    let newest = fs::read_to_string(tree.checkpoint()).unwrap();
    assert_eq!(&Signed::parse(&newest).unwrap(), all.last().unwrap());
    all
}

#[test]
fn tiles_have_the_names_and_widths_of_the_specification() {
    let name = |level, number, width| TileName {
        level,
        number,
        width,
    };
    let path = |name: TileName| name.path().to_string_lossy().into_owned();
    assert_eq!(path(name(0, 1_234_067, 256)), "tile/0/x001/x234/067");
    assert_eq!(path(name(1, 0, 17)), "tile/1/000.p/17");
    assert_eq!(path(name(2, 999, 256)), "tile/2/999");
    let of = |size| edge(size).collect::<Vec<_>>();
    assert_eq!(
        of(70_000),
        [name(0, 273, 112), name(1, 1, 17), name(2, 0, 1)]
    );
    assert_eq!(of(256), [name(1, 0, 1)]);
    assert_eq!(of(0), []);
    assert_eq!(of(u64::MAX).len(), 8);
}

#[test]
fn a_tree_grows_over_restarts_and_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    for (round, count) in [1, 254, 1, 1, 300, 40, 700].into_iter().enumerate() {
        let journal = journal(dir.path());
        let mut tree = grower(dir.path());
        write(&journal, count);
        catch_up(&mut tree, &journal);
        kept.extend(tree.sign().unwrap().cloned());
        assert_eq!(tree.sign().unwrap(), None, "nothing new");
        // Grown and written to tiles, but not signed when the process ends.
        write(&journal, 400 * (round % 2));
        catch_up(&mut tree, &journal);
        drop(tree);
        drop(journal);
        assert_eq!(assert_sound(dir.path()), kept);
    }
    let key = fs::metadata(TreeDir::of(dir.path()).key()).unwrap();
    assert_eq!(key.mode() & 0o777, 0o600);
}

#[test]
fn tiles_that_a_crash_took_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let mut tree = grower(dir.path());
    write(&journal, 1_000);
    catch_up(&mut tree, &journal);
    tree.sign().unwrap();
    drop(tree);
    let root = TreeDir::of(dir.path());
    let partial = root.path().join("tile/0/003.p/232");
    // Gone, empty, stale: the segments and the signed root know better.
    type Harm<'h> = &'h dyn Fn();
    let harms: [(Harm<'_>, bool); 5] = [
        (&|| fs::remove_file(&partial).unwrap(), false),
        (&|| fs::write(&partial, [0; 232 * 32]).unwrap(), false),
        (
            &|| fs::remove_dir_all(root.path().join("tile/1")).unwrap(),
            false,
        ),
        (
            &|| fs::remove_dir_all(root.path().join("tile")).unwrap(),
            true,
        ),
        (
            &|| {
                fs::write(root.path().join("tile/0/001"), [0; 8192]).unwrap();
                fs::write(&partial, []).unwrap();
                fs::remove_dir_all(root.path().join("tile/1")).unwrap();
            },
            true,
        ),
    ];
    for (harm, rebuilt) in harms {
        harm();
        let (mut tree, opened) = Grower::open(dir.path(), key(dir.path())).unwrap();
        assert_eq!((opened.size, opened.rebuilt), (tree.size(), rebuilt));
        write(&journal, 3);
        catch_up(&mut tree, &journal);
        assert!(tree.sign().unwrap().is_some());
        // The file of before is a partial tile of an older size.
        fs::create_dir_all(partial.parent().unwrap()).unwrap();
        fs::write(&partial, [0; 232 * 32]).unwrap();
        assert_sound(dir.path());
        let size = tree.size();
        drop(tree);
        fs::copy(
            root.path().join(format!("tile/0/003.p/{}", size % 256)),
            &partial,
        )
        .unwrap_or(0);
        let _ = fs::remove_file(&partial);
        let edge = edge(size).next().unwrap();
        fs::copy(root.path().join(edge.path()), &partial).unwrap();
    }
}

#[test]
fn a_note_that_was_cut_short_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let tree_dir = TreeDir::of(dir.path());
    let mut before = 0;
    for round in 0..3 {
        let mut tree = grower(dir.path());
        write(&journal, 10);
        catch_up(&mut tree, &journal);
        tree.sign().unwrap();
        if round == 1 {
            let whole = fs::read(tree_dir.checkpoints()).unwrap();
            let cut = [&whole[..], &whole[..whole.len() / 3]].concat();
            fs::write(tree_dir.checkpoints(), cut).unwrap();
        }
        drop(tree);
        drop(grower(dir.path()));
        let now = assert_sound(dir.path()).len();
        assert_eq!(now, before + 1);
        before = now;
    }
    assert!(tree_dir.path().join("checkpoints.torn").exists());
}

#[test]
fn what_contradicts_a_signed_root_is_not_signed_over() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let mut tree = grower(dir.path());
    write(&journal, 300);
    catch_up(&mut tree, &journal);
    tree.sign().unwrap();
    write(&journal, 5);
    catch_up(&mut tree, &journal);
    tree.sign().unwrap();
    drop(tree);
    drop(journal);
    let tree = TreeDir::of(dir.path());
    let refused = |why: &str| match Grower::open(dir.path(), key(dir.path())) {
        Err(Error::Contradiction(what)) => assert!(what.contains(why), "{what}"),
        other => panic!("{other:?}"),
    };
    let checkpoints = fs::read(tree.checkpoints()).unwrap();
    // A forged list: the last root, a note in the middle, the newest note cut off.
    let mut bad = checkpoints.clone();
    let at = bad.len() - 200;
    bad[at] ^= 1;
    fs::write(tree.checkpoints(), &bad).unwrap();
    assert!(Grower::open(dir.path(), key(dir.path())).is_err());
    let mut bad = checkpoints.clone();
    bad[3] = b'\n';
    fs::write(tree.checkpoints(), &bad).unwrap();
    refused("no checkpoint at byte 0");
    fs::write(tree.checkpoints(), &checkpoints[..checkpoints.len() / 2]).unwrap();
    refused("not listed");
    fs::write(tree.checkpoints(), &checkpoints).unwrap();
    // Tiles and segments both gone wrong.
    fs::remove_dir_all(tree.path().join("tile")).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            fs::remove_file(path).unwrap();
        }
    }
    refused("that was signed for 305 entries");
    // And no index that was signed is ever used again.
    let config = Config {
        reserve_bytes: 16 * crate::CLOSING_ROOM,
        ..Config::new(dir.path(), 2)
    };
    let (_, recovery) = Journal::open(config, Arc::new(ManualClock::at(0))).unwrap();
    assert_eq!(recovery.next_index, 305);
}

#[test]
fn only_what_is_synced_can_be_signed() {
    let dir = tempfile::tempdir().unwrap();
    let disk = crate::tests::disk::Disk::new(dir.path());
    let config = Config {
        reserve_bytes: 16 * crate::CLOSING_ROOM,
        sync_every: std::time::Duration::from_secs(1),
        ..Config::new(dir.path(), 1)
    };
    let clock = Arc::new(ManualClock::at(0));
    let (journal, _) = Journal::open_on(config, clock, disk.store()).unwrap();
    journal.note(&Event::default()).unwrap();
    journal.tick();
    assert_eq!((journal.synced_frontier(), journal.frontier()), (1, 1));
    journal.note(&Event::default()).unwrap();
    disk.sync_fails
        .store(true, std::sync::atomic::Ordering::Relaxed);
    journal.tick();
    disk.sync_fails
        .store(false, std::sync::atomic::Ordering::Relaxed);
    journal.tick();
    assert_eq!(journal.synced_frontier(), 1);
    assert!(journal.frontier() > 1);
}

#[test]
fn keys_are_kept_and_their_changes_told() {
    let dir = tempfile::tempdir().unwrap();
    let tree = TreeDir::of(dir.path());
    let source = KeySource {
        key: None,
        origin: Some("log.example/a".to_owned()),
    };
    let (first, changed) = open_key(dir.path(), &source).unwrap();
    assert!(changed && first.verifier().name() == "log.example/a");
    assert!(!open_key(dir.path(), &source).unwrap().1);
    assert!(!open_key(dir.path(), &KeySource::default()).unwrap().1);
    let other = KeySource {
        origin: Some("log.example/b".to_owned()),
        ..KeySource::default()
    };
    assert!(matches!(
        open_key(dir.path(), &other),
        Err(KeyError::OtherOrigin(..))
    ));
    let secret = fs::read(tree.key()).unwrap();
    fs::write(tree.key(), "nonsense").unwrap();
    assert!(matches!(
        open_key(dir.path(), &source),
        Err(KeyError::NotAKey)
    ));
    assert_eq!(fs::read(tree.key()).unwrap(), b"nonsense", "not replaced");
    // A new key keeps the name, and the old one stays known.
    fs::remove_file(tree.key()).unwrap();
    let (second, changed) = open_key(dir.path(), &KeySource::default()).unwrap();
    assert!(changed);
    assert_eq!(second.verifier().name(), "log.example/a");
    let known = verifiers(&tree.key_pub()).unwrap();
    assert_eq!(known, [first.verifier().clone(), second.verifier().clone()]);
    assert_ne!(fs::read(tree.key()).unwrap(), secret);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_steps_lead_to_the_same_tree(steps in prop::collection::vec((1usize..400, any::<bool>(), any::<bool>()), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let mut held = journal(dir.path());
        let mut tree = grower(dir.path());
        for (count, sign, restart) in steps {
            write(&held, count);
            while tree.grow(held.synced_frontier(), count / 3 + 1).unwrap() != Step::Done {}
            if sign {
                tree.sign().unwrap();
            }
            if restart {
                drop(held);
                drop(tree);
                held = journal(dir.path());
                tree = grower(dir.path());
            }
        }
        held.tick();
        catch_up(&mut tree, &held);
        tree.sign().unwrap();
        prop_assert!(!assert_sound(dir.path()).is_empty());
    }
}
