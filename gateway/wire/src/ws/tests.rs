//! Frames by the letter of RFC 6455, at every cut.

use super::*;
use proptest::prelude::*;

/// A frame as a server writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(u8::try_from(short).unwrap()),
        middle @ 126..65_536 => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// What reads come to: messages whole, control frames in words.
fn read(reads: &[&[u8]]) -> Result<Vec<String>, Broken> {
    let mut decoder = Decoder::new(100_000);
    let (mut told, mut message) = (Vec::new(), Vec::new());
    for read in reads {
        let mut at = 0;
        while let Some(item) = decoder.next(read, &mut at)? {
            match item {
                Item::Text { piece, first, last } => {
                    assert_eq!(first, message.is_empty(), "the first piece and no other");
                    message.extend_from_slice(b"-");
                    message.extend_from_slice(piece);
                    if last {
                        message.retain(|byte| *byte != b'-');
                        told.push(String::from_utf8(std::mem::take(&mut message)).unwrap());
                    }
                }
                Item::Ping(payload) => told.push(format!("ping {payload:?}")),
                Item::Pong => told.push("pong".to_owned()),
                Item::Close(code) => told.push(format!("close {code:?}")),
            }
        }
        assert_eq!(at, read.len());
    }
    Ok(told)
}

/// The frames that RFC 6455 shows in section 5.7.
#[test]
fn the_rfcs_own_frames() {
    let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(&[&hello]).unwrap(), ["Hello"]);
    let parts = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(read(&[&parts]).unwrap(), ["Hello"]);
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(&[&ping]).unwrap(), ["ping [72, 101, 108, 108, 111]"]);
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut masked = Vec::new();
    write_head(Opcode::Text, 5, key, &mut masked);
    let mut text = *b"Hello";
    Mask::new(key).apply(&mut text);
    masked.extend_from_slice(&text);
    let shown = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(masked, shown);
    let mut pong = Vec::new();
    write_control(Opcode::Pong, b"Hello", key, &mut pong);
    assert_eq!(pong[0], 0x8a);
    assert_eq!(pong[1..], shown[1..]);
    let mut long = Vec::new();
    write_head(Opcode::Text, 256, key, &mut long);
    assert_eq!(long[..4], [0x81, 0xfe, 0x01, 0x00]);
    long.clear();
    write_head(Opcode::Text, 65_536, key, &mut long);
    assert_eq!(long[..10], [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert!(long.len() == HEAD_BYTES_MAX);
}

#[test]
fn control_frames_stand_between_the_parts_of_a_message() {
    let mut all = frame(0x01, "你".as_bytes());
    all.extend(frame(0x89, b"x"));
    all.extend(frame(0x00, b""));
    all.extend(frame(0x8a, b""));
    all.extend(frame(0x80, "好".as_bytes()));
    all.extend(frame(0x81, b""));
    all.extend(frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']));
    all.extend_from_slice(b"what follows is nothing");
    let told = read(&[&all]).unwrap();
    assert_eq!(told, ["ping [120]", "pong", "你好", "", "close Some(1000)"]);
    assert_eq!(read(&[&frame(0x88, b"")]).unwrap(), ["close None"]);
}

#[test]
fn what_a_server_must_not_send() {
    let protocol = |bytes: &[u8]| match read(&[bytes]) {
        Err(Broken::Protocol(why)) => why,
        other => panic!("{bytes:?}: {other:?}"),
    };
    protocol(&[0x81, 0x85, 0, 0, 0, 0]);
    for reserved in [0x40, 0x20, 0x10] {
        protocol(&frame(0x81 | reserved, b"x"));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        protocol(&frame(0x80 | opcode, b"x"));
    }
    // Lengths in more bytes than they need, and one that no machine has.
    protocol(&[0x81, 126, 0, 125]);
    protocol(&[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    protocol(&[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 1]);
    // Control frames in parts, or longer than they may be.
    protocol(&frame(0x09, b"x"));
    protocol(&frame(0x89, &[0; 126]));
    protocol(&frame(0x80, b"the rest of nothing"));
    protocol(&[frame(0x01, b"a"), frame(0x81, b"b")].concat());
    protocol(&frame(0x88, b"x"));
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        protocol(&frame(0x88, &code.to_be_bytes()));
    }
    assert_eq!(read(&[&frame(0x82, b"x")]), Err(Broken::Binary));
    for bad in [&b"\xff"[..], b"\xe4\xbd", b"\xed\xa0\x80", b"a\xc0\x80"] {
        assert_eq!(read(&[&frame(0x81, bad)]), Err(Broken::NotText), "{bad:?}");
    }
    let close = [&1000u16.to_be_bytes()[..], b"\xff"].concat();
    assert_eq!(read(&[&frame(0x88, &close)]), Err(Broken::NotText));
}

#[test]
fn messages_have_a_bound_in_whatever_parts() {
    assert!(read(&[&frame(0x81, &[b'x'; 100_000])]).is_ok());
    // The announcement is enough.
    let huge = [0x81, 127, 0, 0, 0, 0, 0, 1, 0x86, 0xa1];
    assert_eq!(read(&[&huge]), Err(Broken::TooLong));
    let mut parts = frame(0x01, &[b'x'; 60_000]);
    parts.extend(frame(0x80, &[b'x'; 40_001]));
    assert_eq!(read(&[&parts]), Err(Broken::TooLong));
    let codes = [
        Broken::Protocol(""),
        Broken::Binary,
        Broken::NotText,
        Broken::TooLong,
    ];
    assert_eq!(codes.map(Broken::close_code), [1002, 1003, 1007, 1009]);
}

#[test]
fn it_is_known_whether_a_message_was_cut() {
    let whole = frame(0x81, "你好".as_bytes());
    for cut in 0..=whole.len() {
        let (mut decoder, mut at) = (Decoder::new(10), 0);
        while decoder.next(&whole[..cut], &mut at).unwrap().is_some() {}
        assert_eq!(decoder.is_amid(), cut > 0 && cut < whole.len(), "{cut}");
    }
}

/// Frames of a connection that keeps to the rules, and what they say.
fn sound() -> impl Strategy<Value = (Vec<u8>, Vec<String>)> {
    let message = (
        "[^-]{0,40}",
        prop::collection::vec(0usize..40, 0..4),
        any::<bool>(),
    );
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let (mut wire, mut told) = (Vec::new(), Vec::new());
        for (text, mut cuts, ping) in messages {
            let bytes = text.as_bytes();
            cuts.retain(|cut| *cut <= bytes.len());
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts
                .windows(2)
                .map(|pair| &bytes[pair[0]..pair[1]])
                .collect();
            for (at, part) in parts.iter().enumerate() {
                let last = if at + 1 == parts.len() { 0x80 } else { 0 };
                wire.extend(frame(last | u8::from(at == 0), part));
                if ping && last == 0 {
                    wire.extend(frame(0x89, b"p"));
                    told.push("ping [112]".to_owned());
                }
            }
            told.push(text);
        }
        (wire, told)
    })
}

proptest! {
    #[test]
    fn any_cuts_say_the_same((wire, told) in sound(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let reads: Vec<&[u8]> = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&reads), Ok(told.clone()));
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(read(&bytes), Ok(told));
    }

    #[test]
    fn any_bytes_end_the_same_at_any_cut(wire in prop::collection::vec(any::<u8>(), 0..60), cut in any::<prop::sample::Index>()) {
        let (before, after) = wire.split_at(cut.index(wire.len() + 1));
        prop_assert_eq!(read(&[before, after]), read(&[&wire]));
    }

    #[test]
    fn a_mask_is_its_own_inverse_in_any_pieces(bytes in prop::collection::vec(any::<u8>(), 0..50), key in any::<[u8; 4]>(), cut in any::<prop::sample::Index>()) {
        let mut masked = bytes.clone();
        let (before, after) = masked.split_at_mut(cut.index(bytes.len() + 1));
        let mut mask = Mask::new(key);
        mask.apply(before);
        mask.apply(after);
        let by_letter: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
        prop_assert_eq!(&masked, &by_letter);
        Mask::new(key).apply(&mut masked);
        prop_assert_eq!(masked, bytes);
    }
}
