//! Notes and checkpoints: what we write reads back, what others wrote is read, what was changed is not believed.

use proptest::prelude::*;

use super::super::checkpoint::{Checkpoint, Signed, parse_all};
use super::super::note::{Note, Signature, Signer, Use, Verifier};

fn signer(purpose: Use) -> Signer {
    Signer::new("log.example/a", purpose, [7; 32]).unwrap()
}

fn signed(size: u64) -> String {
    let text = Checkpoint {
        origin: "log.example/a".to_owned(),
        size,
        root: [size as u8; 32],
    }
    .to_string();
    let signatures = vec![
        signer(Use::Log).sign(&text, 0),
        Signer::new("witness.example/w", Use::Witness, [9; 32])
            .unwrap()
            .sign(&text, 1_700_000_000),
    ];
    Note { text, signatures }.to_string()
}

/// From the text of the C2SP specifications: written by another implementation.
#[test]
fn a_checkpoint_of_others_is_read() {
    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let found = Signed::parse(note).unwrap();
    assert_eq!(found.checkpoint.size, 20_852_163);
    assert_eq!(found.note.to_string(), note);
    let ids: Vec<u32> = found.note.signatures.iter().map(|s| s.id).collect();
    assert_eq!(ids, [0x033d_e0ae, 0x8d66_cf3f]);
    assert_eq!(found.note.signatures[1].bytes.len(), 8 + 64);
}

/// The pair that the documentation of Go's `note` package shows.
#[test]
fn keys_of_other_tools_are_read() {
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let signer = Signer::parse(secret).unwrap();
    assert_eq!(signer.verifier().to_string(), public);
    assert_eq!(signer.secret().trim_end(), secret);
    assert!(!format!("{signer:?}").contains("AYEKFAL"));
    // And what that key signed there.
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let line = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    let signature = Signature::parse(line).unwrap();
    assert!(signer.verifier().verifies(text, &signature));
    assert_eq!(signer.sign(text, 0), signature);
}

#[test]
fn every_flipped_bit_of_a_note_or_key_is_noticed() {
    let good = signed(5);
    let keys = [
        signer(Use::Log).verifier().clone(),
        Signer::new("witness.example/w", Use::Witness, [9; 32])
            .unwrap()
            .verifier()
            .clone(),
    ];
    let believed = |bytes: &[u8]| {
        let note = str::from_utf8(bytes).ok().and_then(Signed::parse);
        note.is_some_and(|signed| {
            let note = signed.note;
            // Each line by a key that we know, and both of them.
            let by = |key: &Verifier| {
                let mut lines = note.signatures.iter();
                lines.any(|line| key.verifies(&note.text, line))
            };
            note.signatures.len() == 2 && keys.iter().all(by)
        })
    };
    assert!(believed(good.as_bytes()));
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone().into_bytes();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!believed(&bad), "bit {bit}");
    }
    let key = keys[0].to_string();
    for bit in 0..key.len() * 8 {
        let mut bad = key.clone().into_bytes();
        bad[bit / 8] ^= 1 << (bit % 8);
        let read = str::from_utf8(&bad).ok().and_then(Verifier::parse);
        assert_eq!(read, None, "bit {bit}");
    }
}

#[test]
fn a_log_signature_is_no_cosignature() {
    let text = "t\n";
    let (log, witness) = (signer(Use::Log), signer(Use::Witness));
    let mut as_witness = log.sign(text, 0);
    as_witness.id = witness.sign(text, 3).id;
    assert!(!witness.verifier().verifies(text, &as_witness));
    assert!(witness.verifier().verifies(text, &witness.sign(text, 3)));
    assert!(!log.verifier().verifies(text, &witness.sign(text, 3)));
}

#[test]
fn a_file_of_checkpoints_is_read_to_its_first_flaw() {
    let file: String = (1..=5).map(|size| signed(size) + "\n").collect();
    let (all, flaw) = parse_all(file.as_bytes());
    assert_eq!((all.len(), flaw), (5, None));
    let one = file.len() / 5;
    for cut in 0..file.len() {
        let (all, flaw) = parse_all(&file.as_bytes()[..cut]);
        let whole = all.len() as u64 * one as u64;
        assert_eq!(flaw, (cut % one > 0).then_some(whole), "{cut}");
    }
    assert_eq!(parse_all(b"").0.len(), 0);
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(note) = Note::parse(&text) {
            prop_assert_eq!(note.to_string(), text.as_ref());
        }
        if let Some(key) = Verifier::parse(&text) {
            prop_assert_eq!(key.to_string(), text.as_ref());
        }
        let _ = Signer::parse(&text);
        let _ = parse_all(&bytes);
    }

    #[test]
    fn a_note_that_was_mangled_reads_as_itself_or_not_at_all(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[ \n+—=A-Za-z0-9/]{0,3}"), 1..5)
    ) {
        let mut text = signed(300);
        for (at, with) in cuts {
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) { at -= 1; }
            text.insert_str(at, &with);
        }
        if let Some(signed) = Signed::parse(&text) {
            prop_assert_eq!(signed.note.to_string(), text);
            prop_assert!(signed.note.text.starts_with(&signed.checkpoint.to_string()));
        }
    }

    #[test]
    fn notes_read_back(text in "([^\\p{Cc}]{0,20}\n){0,4}", names in prop::collection::vec("[a-z./]{1,9}", 1..4)) {
        // A text may have empty lines but not end in one: the last one ends it.
        prop_assume!(!text.ends_with("\n\n") && text != "\n" && !text.is_empty());
        let signatures = names
            .iter()
            .map(|name| Signer::new(name, Use::Log, [1; 32]).unwrap().sign(&text, 0))
            .collect();
        let note = Note { text, signatures };
        prop_assert_eq!(Note::parse(&note.to_string()), Some(note));
    }
}
