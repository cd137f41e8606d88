//! A governed stream is its whole: however a text is cut into events and reads, what goes down is what one event would.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use adapters::dialects::openai_chat::OpenAiChat;
use policies::findings::{Findings, Found, Place};
use policies::law::{self, Case, Destination, Restores};
use policies::policy::{Parts, Policy, Remedy, ReplyRemedy, ReplyRule, Rule, no_facts};
use policies::redact::{Method, Pepper, mask};
use policies::scan::{Set, Sorts};
use policies::when::Provider;
use proptest::prelude::*;
use serde_json::{Value as Tree, json};
use wire::canon::{Event, Str};
use wire::facts::Form;
use wire::hold::Caps;
use wire::{Grade, Kind};

use super::*;
use wire::json;

const GROUPS: [&str; 4] = ["PERSON", "CONTACT", "FINANCIAL", "SECRET"];

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let set = Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).unwrap();
    let mut find = Sorts::new();
    for group in GROUPS {
        find.union(&set.named(group));
    }
    let hide = Rule {
        name: "hide".into(),
        find: Some(find.clone()),
        when: None,
        at_least: 1,
        remedy: Remedy::Redact {
            method: Method::Placeholder,
            restore: true,
        },
        grade: None,
        shadow: false,
        message: None,
    };
    let reply = ReplyRule {
        name: "output".into(),
        find,
        remedy: ReplyRemedy::Redact(Method::Mask),
        shadow: false,
        message: None,
    };
    let parts = Parts {
        set,
        rules: vec![hide],
        reply: vec![reply],
        graded: Sorts::new(),
        media: Grade::LOWEST,
        overseas_max: None,
        filed_only: false,
        labelling: None,
        pepper: Pepper::new(b"test"),
        grades: vec!["public".to_owned()],
        zone_s: 0,
    };
    Arc::new(Policy::build(parts).unwrap())
});

/// What the user asked about: two numbers, a card, an address, and a password with characters that need escapes.
const ASKED: &str =
    "打 13900139001 或 13700137002，证件 11010519491231002X，邮箱 li.si@corp.example.cn";

static RESTORES: LazyLock<Restores> = LazyLock::new(|| {
    struct Nowhere;
    impl Destination for Nowhere {
        fn clearance(&self) -> Grade {
            Grade::LOWEST
        }
        fn place(&self) -> Provider<'_> {
            Provider {
                name: "",
                vendor: "",
                location: "",
                clearance: 0,
                model: "",
            }
        }
    }
    let body = Bytes::from(format!("{{\"content\":\"{ASKED}\"}}"));
    let from = "{\"content\":\"".len();
    let mut found = Vec::new();
    POLICY.set.scan("", ASKED, &mut found);
    let mut findings = Findings::default();
    for one in found {
        findings.push(Found {
            sort: one.sort,
            score: one.score,
            place: Place {
                text: from..from + ASKED.len(),
                form: Form::String,
                at: one.start..one.end,
            },
            rest: Vec::new(),
        });
    }
    let case = Case {
        policy: Some(&POLICY),
        findings: &findings,
        body: &body,
        declared: Grade::LOWEST,
        public: false,
        facts: no_facts(&[]),
    };
    let judged = law::judge(&case, [Nowhere]).cleared.unwrap();
    judged[0].restores().unwrap()
});

fn governor<E>(restore: bool) -> Governor<E> {
    let caps = Caps {
        bytes: usize::MAX,
        nanos: u64::MAX,
    };
    Governor::new(
        Arc::clone(&POLICY),
        restore.then(|| RESTORES.clone()),
        None,
        caps,
    )
}

const WORDS: &[&str] = &[
    "13800138000",
    "138-0013-8000",
    "１３８００１３８０００",
    "11010519491231002X",
    "zhang.san@corp.example.cn",
    "AKIAIOSFODNN7SAMPLE2",
    "6222021234567890123",
    "<CN_MOBILE_1>",
    "<CN_MOBILE_2>",
    "<CN_MOBILE_9>",
    "＜CN_ID_CARD_1＞",
    "\\<CN\\_MOBILE\\_1\\>",
    "&lt;EMAIL_1&gt;",
    "CN_MOBILE_1",
    "<EMAIL_1>",
    "电话",
    "证件号是",
    "password: ",
    "Passw0rd!x9q",
    "张伟先生",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN",
    "-----END PRIVATE KEY-----",
    " ",
    "\n",
    "\"",
    "\\",
    "\\u0031",
    "%31",
    "，",
    "🌏",
    "\u{200b}",
    "a",
    "1",
    "<",
    "CN",
    "_1",
    ">",
    "@",
    ".",
    "-",
    "你好",
    "138",
    "00138000",
];

fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS), 0..12).prop_map(|words| words.concat())
}

fn marks() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..10)
}

/// The text in pieces, cut at characters.
fn cut<'t>(text: &'t str, marks: &[prop::sample::Index]) -> Vec<&'t str> {
    let borders: Vec<usize> = (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .collect();
    let mut cuts: Vec<usize> = marks.iter().map(|mark| *mark.get(&borders)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

/// A place of a delta and the texts that follow each other there.
type Pieces<'t> = (&'static str, Vec<&'t str>);

/// The pieces of all places in turn, each with its place.
fn turns<'t>(lanes: &[Pieces<'t>]) -> Vec<(&'static str, &'t str)> {
    let most = lanes
        .iter()
        .map(|(_, pieces)| pieces.len())
        .max()
        .unwrap_or(0);
    (0..most)
        .flat_map(|at| {
            lanes
                .iter()
                .filter_map(move |(place, pieces)| Some((*place, *pieces.get(at)?)))
        })
        .collect()
}

fn event(place: &str, piece: &str, ascii: bool) -> String {
    let delta = match place {
        "arguments" => {
            json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        }
        place => json!({place: piece}),
    };
    let data = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    .to_string();
    let data = if ascii { to_ascii(&data) } else { data };
    format!("data: {data}\n\n")
}

fn to_ascii(json: &str) -> String {
    let mut units = [0; 2];
    json.chars()
        .map(|c| {
            if c.is_ascii() {
                return c.to_string();
            }
            let units = c.encode_utf16(&mut units);
            units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
        })
        .collect()
}

const END: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What a client puts together of a stream of these events, in reads of so many bytes.
fn client_reads(
    lanes: &[Pieces<'_>],
    restore: bool,
    ascii: bool,
    read: usize,
) -> BTreeMap<String, String> {
    let events = turns(lanes).into_iter();
    let mut bytes: String = events
        .map(|(place, piece)| event(place, piece, ascii))
        .collect();
    bytes.push_str(END);
    let reads: Vec<&[u8]> = bytes.as_bytes().chunks(read).collect();
    let out = goes_down(&reads, restore).0.unwrap();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for data in out
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
    {
        let Ok(tree) = serde_json::from_str::<Tree>(data) else {
            assert_eq!(data, "[DONE]");
            continue;
        };
        let delta = &tree["choices"][0]["delta"];
        for (place, piece) in [
            ("content", &delta["content"]),
            ("reasoning_content", &delta["reasoning_content"]),
            (
                "arguments",
                &delta["tool_calls"][0]["function"]["arguments"],
            ),
        ] {
            if let Some(piece) = piece.as_str() {
                said.entry(place.to_owned()).or_default().push_str(piece);
            }
        }
    }
    said.retain(|_, text| !text.is_empty());
    said
}

/// The same of canonical events.
fn translated(lanes: &[Pieces<'_>], restore: bool) -> BTreeMap<String, String> {
    let mut governor = governor(restore);
    let escaped = |piece: &str| {
        let mut out = Vec::new();
        json::escape(piece, &mut out);
        Str::from_raw(out)
    };
    let events = turns(lanes).into_iter().map(|(place, piece)| {
        let text = escaped(piece);
        match place {
            "arguments" => Event::ToolArgs {
                choice: 0,
                index: 0,
                piece: text,
            },
            "content" => Event::Text { choice: 0, text },
            _ => Event::Reasoning { choice: 0, text },
        }
    });
    let mut out = Vec::new();
    govern_events(&mut governor, events, 0, &mut out).unwrap();
    end_events(&mut governor, &mut out).unwrap();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for event in out {
        let (place, text) = match &event {
            Event::Text { text, .. } => ("content", text),
            Event::Reasoning { text, .. } => ("reasoning_content", text),
            Event::ToolArgs { piece, .. } => ("arguments", piece),
            other => panic!("{other:?}"),
        };
        let raw = std::str::from_utf8(text.bytes()).unwrap();
        said.entry(place.to_owned())
            .or_default()
            .push_str(&json::unescape(raw));
    }
    said.retain(|_, text| !text.is_empty());
    said
}

/// Worked out without a governor: what the scan finds in the whole, masked.
fn masked(text: &str) -> String {
    let mut found = Vec::new();
    POLICY.set.scan("", text, &mut found);
    let (mut out, mut at) = (String::new(), 0);
    for one in found {
        if POLICY.reply_rule(one.sort).is_none() {
            continue;
        }
        out.push_str(&text[at..one.start]);
        out.push_str(&mask(&text[one.start..one.end]));
        at = one.end;
    }
    out + &text[at..]
}

#[test]
fn what_is_tested_is_there() {
    let one = |text, restore| client_reads(&[("content", vec![text])], restore, false, 9999);
    let said = one("13800138000 <CN_MOBILE_2>", false);
    assert_eq!(said["content"], "138****8000 <CN_MOBILE_2>");
    let said = one("13800138000 <CN_MOBILE_2> <CN_ID_CARD_1>", true);
    assert_eq!(
        said["content"],
        "138****8000 13700137002 11010519491231002X"
    );
    // A rule that refuses is no fault of the upstream's, and nothing more is tried.
    assert_eq!(
        Fault::new(Kind::Refused).retry_advice(),
        wire::fault::Retry::No
    );
}

/// Bytes of a read: less than an event, some events, all.
fn reads() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1usize..700, 2 => 700usize..4000, 1 => Just(1 << 20)]
}

/// What goes down of a stream in these reads, and what was counted.
fn goes_down(reads: &[&[u8]], restore: bool) -> (Result<String, Fault>, (u64, u64)) {
    let vendor = adapters::vendor("openai-compatible").unwrap();
    let head = Head {
        status: 200,
        headers: Headers::new(),
        now_ms: 0,
    };
    let gear = Gear::govern(false, governor(restore));
    let limits = sse::Limits::default();
    let mut reading = Reading::new(&OpenAiChat, &OpenAiChat, vendor, &head, gear, limits);
    let (mut meter, mut out) = (Meter::default(), Rope::new());
    let mut ended = Ok(());
    for read in reads {
        let read = Bytes::copy_from_slice(read);
        ended = ended.and_then(|()| reading.read(&read, &mut meter, &mut out));
    }
    assert!(reading.done || ended.is_err());
    let out = String::from_utf8(out.into_bytes().to_vec()).unwrap();
    (ended.map(|()| out), (meter.events, meter.content_events))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Alike events of a read are looked through as one: to the byte as if each was read alone, which one is that began in
    /// an earlier read.
    #[test]
    fn alike_events_are_as_if_each_was_read(
        said in texts(), more in texts(), thought in texts(), size in 1usize..7, later in 1usize..7, restore in any::<bool>(),
    ) {
        let pieces = |place, text: &str, size| {
            let chars: Vec<char> = text.chars().collect();
            let pieces = chars.chunks(size).map(|piece| event(place, &piece.iter().collect::<String>(), false));
            pieces.collect::<String>()
        };
        let all = [
            pieces("content", &said, size), pieces("reasoning_content", &thought, later), pieces("content", &more, later), END.to_owned(),
        ].concat();
        let mut ends: Vec<usize> = all.match_indices("\n\n").map(|(at, _)| at + 1).collect();
        ends.insert(0, 0);
        ends.push(all.len());
        let each: Vec<&[u8]> = ends.windows(2).map(|pair| &all.as_bytes()[pair[0]..pair[1]]).collect();
        let (one, many) = (goes_down(&[all.as_bytes()], restore), goes_down(&each, restore));
        prop_assert_eq!(one.1, many.1);
        prop_assert_eq!(one.0.unwrap(), many.0.unwrap());
    }

    /// Events of the client's dialect, and canonical ones; two texts at once; with and without something to put back.
    #[test]
    fn every_cut_gives_the_wholes_text(
        said in texts(), thought in texts(), said_at in marks(), thought_at in marks(),
        restore in any::<bool>(), ascii in any::<bool>(), read in reads(),
    ) {
        let whole = client_reads(&[("content", vec![&said]), ("reasoning_content", vec![&thought])], restore, false, 1 << 20);
        let lanes = [("content", cut(&said, &said_at)), ("reasoning_content", cut(&thought, &thought_at))];
        prop_assert_eq!(&client_reads(&lanes, restore, ascii, read), &whole, "{:?}", lanes);
        prop_assert_eq!(&translated(&lanes, restore), &whole, "{:?}", lanes);
        if !restore && !said.is_empty() {
            prop_assert_eq!(&whole["content"], &masked(&said));
        }
    }

    /// Arguments of a call stay JSON, whatever is hidden in them and put back.
    #[test]
    fn every_cut_of_arguments_gives_the_wholes_arguments(
        text in texts(), other in texts(), number in prop::sample::select(&[13_800_138_000_u64, 7, 530_102_197_306_296_363][..]),
        at in marks(), restore in any::<bool>(), read in reads(),
    ) {
        let arguments = json!({"a": text, "n": number, "list": [number, {"deep": other}]}).to_string();
        let whole = client_reads(&[("arguments", vec![&arguments])], restore, false, 1 << 20);
        let tree: Tree = serde_json::from_str(&whole["arguments"]).map_err(|error| TestCaseError::fail(format!("{error}: {}", whole["arguments"])))?;
        prop_assert!(number == 7 || tree["list"][0] != number);
        // A key that does not end takes what stands behind it along.
        prop_assert!(number != 7 || arguments.contains("BEGIN") || tree["list"][0] == 7);
        let lanes = [("arguments", cut(&arguments, &at))];
        prop_assert_eq!(&client_reads(&lanes, restore, false, read), &whole, "{:?}", lanes);
        prop_assert_eq!(&translated(&lanes, restore), &whole, "{:?}", lanes);
    }
}
