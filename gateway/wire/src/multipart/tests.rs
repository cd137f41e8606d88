//! Forms in any pieces, and those that two readers could split differently.

use super::*;
use proptest::prelude::*;

type Parts = Vec<(Head, Vec<u8>)>;

/// All parts, read in pieces that end at these places.
fn read(form: &[u8], cuts: &[usize]) -> Result<(Parts, bool), Odd> {
    let mut splitter = Splitter::new("b-1");
    let (mut parts, mut over, mut at): (Parts, _, _) = (Vec::new(), false, 0);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (form.len() + 1)).collect();
    cuts.push(form.len());
    cuts.sort_unstable();
    for cut in cuts {
        let mut events = Vec::new();
        splitter.push(&form[at..cut], &mut events)?;
        at = cut;
        for event in events {
            match event {
                Event::Part(head) => parts.push((head, Vec::new())),
                Event::Body(data) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                Event::Ended => {}
                Event::Over => over = true,
            }
        }
    }
    Ok((parts, over))
}

fn head(name: &str, filename: Option<&str>, kind: &str) -> Head {
    Head {
        name: name.into(),
        filename: filename.map(Into::into),
        kind: kind.into(),
    }
}

fn written(parts: &Parts) -> Vec<u8> {
    let mut form = Vec::new();
    for (at, (head, body)) in parts.iter().enumerate() {
        write_head("b-1", at == 0, head, &mut form);
        form.extend_from_slice(body);
    }
    write_end("b-1", &mut form);
    form
}

#[test]
fn a_form_as_clients_write_it() {
    let form = b"--b-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b-1\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".wav\"\r\nContent-Type: audio/wav\r\n\r\n\r\n--b-\x00\r\n--b-1--\r\n";
    let (parts, over) = read(form, &[]).unwrap();
    assert!(over);
    assert_eq!(parts[0], (head("model", None, ""), b"whisper-1".to_vec()));
    let file = head("file", Some("a \"b\".wav"), "audio/wav");
    assert_eq!(parts[1], (file, b"\r\n--b-\x00".to_vec()));
}

#[test]
fn what_readers_could_split_differently_is_refused() {
    let part = |head: &str| format!("--b-1\r\n{head}\r\n\r\nx\r\n--b-1--\r\n");
    let good = "content-disposition: form-data; name=\"a\"";
    assert!(read(part(good).as_bytes(), &[]).is_ok());
    for form in [
        format!("preamble\r\n{}", part(good)),
        format!("\r\n{}", part(good)),
        format!("{}epilogue", part(good)),
        part(good).replace("--b-1--", "--b-1 --"),
        part(good).replace("x\r\n--b-1--", "x\r\n--b-1xx"),
        part("content-type: text/plain"),
        part(&format!("{good}\r\n{good}")),
        part(&format!("{good}; name=\"b\"")),
        part(&format!("{good}; filename*=UTF-8''b")),
        part(&format!("{good}\r\ncontent-transfer-encoding: base64")),
        part(&format!("{good}\r\n folded: x")),
        part(&format!("{good}\r\nx-other: y")),
        part("content-disposition: form-data; name=\"a\nb\""),
        part("content-disposition: form-data; name=\"a"),
        part("content-disposition: attachment; name=\"a\""),
        part("content-disposition : form-data; name=\"a\""),
        part(&format!("{good}; {}=\"\"", "x".repeat(HEAD_BYTES_MAX))),
        part(good).replace("\r\n", "\n"),
        // An empty part, and behind it a field, for readers that look for a boundary there.
        part(&format!("{good}\r\n\r\n--b-1\r\n{good}")),
    ] {
        assert!(read(form.as_bytes(), &[]).is_err(), "{form:?}");
    }
}

#[test]
fn boundaries() {
    let check = |kind, want: Option<Option<&str>>| {
        assert_eq!(boundary(kind).map(Result::ok), want, "{kind}");
    };
    check("multipart/form-data; boundary=abc", Some(Some("abc")));
    check(
        "Multipart/Form-Data; charset=x; Boundary=\"a-b\"",
        Some(Some("a-b")),
    );
    check("application/json", None);
    check("multipart/mixed; boundary=abc", None);
    check("multipart/form-data", Some(None));
    check("multipart/form-data; boundary=a b", Some(None));
    check("multipart/form-data; boundary=a; boundary=b", Some(None));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_parts(
        bodies in prop::collection::vec(prop::collection::vec(prop::sample::select(b"\r\n-b1x\0".to_vec()), 0..30), 1..4),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let parts: Parts = bodies.into_iter().filter(|body| memchr::memmem::find(body, b"\r\n--b-1").is_none() && !body.starts_with(b"--b-1"))
            .map(|body| (head("file", Some("f"), "audio/wav"), body)).collect();
        prop_assume!(!parts.is_empty());
        let form = written(&parts);
        prop_assert_eq!(read(&form, &cuts), Ok((parts, true)));
    }

    #[test]
    fn any_bytes_and_cuts_agree(form in prop::collection::vec(prop::sample::select(b"\r\n--b-1:; =\"n".to_vec()), 0..80), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let whole = read(&form, &[]);
        let cut = read(&form, &cuts);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            prop_assert_eq!(whole, cut);
        }
    }
}
