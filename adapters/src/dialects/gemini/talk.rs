//! Contents of a generateContent request as turns, in one pass, however many calls and results they hold.
//!
//! Calls need no id here and results then name their function only: an id that is missing is made up from where the call
//! stands, so that the same history always gives the same ones, and a result is for the first call of its name that has
//! none yet. What means something to the vendor only is named as lost.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use wire::canon::{Blob, Part, Proof, Request, Role, Str, ToolCall, Turn};
use wire::json::{Type, Value};

use super::names::{get, is, object};
use super::{CALL_SIGNATURE, TEXT_SIGNATURE};

/// Names under which a result that is one text stands.
const RESULTS: [&str; 2] = ["result", "output"];

/// Reads contents into a request.
pub(super) struct Talk<'r> {
    body: &'r Bytes,
    request: &'r mut Request,
    calls: Vec<Called>,
    /// Places in `calls` of those with an id, or a name, in order; answered ones go when they are met.
    by_id: HashMap<Bytes, VecDeque<usize>>,
    by_name: HashMap<Bytes, VecDeque<usize>>,
}

/// A call of an earlier turn.
struct Called {
    id: Str,
    /// It has its result.
    answered: bool,
}

impl<'r> Talk<'r> {
    pub(super) fn new(body: &'r Bytes, request: &'r mut Request) -> Self {
        Self {
            body,
            request,
            calls: Vec::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
        }
    }

    fn str(&self, holder: Value<'_>, name: &str) -> Option<Str> {
        get(holder, name).and_then(|value| Str::of(self.body, value))
    }

    fn lose(&mut self, name: &'static str, meaning: bool) {
        self.request.lose(name, meaning);
    }

    /// The instructions.
    pub(super) fn system(&mut self, content: Value<'_>) {
        let mut turn = Turn::new(Role::System);
        for part in parts(content) {
            self.part(part, &mut turn.parts);
        }
        if !turn.parts.is_empty() {
            self.request.turns.push(turn);
        }
    }

    /// One content, in its order.
    pub(super) fn content(&mut self, content: Value<'_>) {
        let is_role = |name: &str| get(content, "role").is_some_and(|role| role.is_named(name));
        if is_role("model") {
            self.model(content);
        } else if is_role("system") {
            self.system(content);
        } else {
            self.user(content);
        }
    }

    /// Results of tools are turns of their own, before what the user says beside them.
    fn user(&mut self, content: Value<'_>) {
        let mut turn = Turn::new(Role::User);
        let mut results = false;
        for part in parts(content) {
            match object(part, "functionResponse") {
                Some(result) => {
                    results = true;
                    self.result(result);
                }
                None => self.part(part, &mut turn.parts),
            }
        }
        if !turn.parts.is_empty() || !results {
            self.request.turns.push(turn);
        }
    }

    fn model(&mut self, content: Value<'_>) {
        let mut turn = Turn::new(Role::Assistant);
        let mut thoughts: Vec<Str> = Vec::new();
        for part in parts(content) {
            let call = object(part, "functionCall");
            if let Some(data) = self
                .str(part, "thoughtSignature")
                .filter(|data| !data.is_empty())
            {
                let kind = if call.is_some() {
                    CALL_SIGNATURE
                } else {
                    TEXT_SIGNATURE
                };
                turn.proofs.push(Proof {
                    kind: Str::from_raw(kind),
                    data,
                });
            }
            if let Some(call) = call {
                let call = self.call(call);
                turn.calls.push(call);
            } else if get(part, "thought").and_then(|flag| flag.as_bool()) == Some(true) {
                thoughts.extend(self.str(part, "text").filter(|text| !text.is_empty()));
            } else {
                self.part(part, &mut turn.parts);
            }
        }
        turn.reasoning = match thoughts.len() {
            0 | 1 => thoughts.pop(),
            _ => {
                let all: Vec<&[u8]> = thoughts.iter().map(|one| &one.bytes()[..]).collect();
                Some(Str::from_raw(all.concat()))
            }
        };
        self.request.turns.push(turn);
    }

    fn call(&mut self, call: Value<'_>) -> ToolCall {
        let given = self.str(call, "id").filter(|id| !id.is_empty());
        let id = given.unwrap_or_else(|| Str::from_raw(format!("call_{}", self.calls.len())));
        let name = self.str(call, "name").unwrap_or_default();
        let args = get(call, "args").filter(|args| args.kind() == Type::Object);
        let args = args.and_then(|args| std::str::from_utf8(args.raw()).ok());
        let at = self.calls.len();
        for (known, key) in [(&mut self.by_id, &id), (&mut self.by_name, &name)] {
            known.entry(key.bytes().clone()).or_default().push_back(at);
        }
        self.calls.push(Called {
            id: id.clone(),
            answered: false,
        });
        ToolCall {
            id,
            name,
            arguments: Str::escaped(args.unwrap_or("{}")),
        }
    }

    fn result(&mut self, result: Value<'_>) {
        let given = self.str(result, "id").filter(|id| !id.is_empty());
        let name = self.str(result, "name").unwrap_or_default();
        let by_id = given.as_ref().and_then(|id| self.by_id.get_mut(id.bytes()));
        let open = by_id.and_then(|places| first_open(places, &mut self.calls));
        let id = open.or_else(|| {
            let places = self.by_name.get_mut(name.bytes())?;
            first_open(places, &mut self.calls)
        });
        let mut turn = Turn::new(Role::Tool);
        turn.call_id = Some(id.or(given).unwrap_or_else(|| name.clone()));
        turn.name = Some(name).filter(|name| !name.is_empty());
        if let Some(response) = get(result, "response") {
            turn.parts.push(Part::Text(self.said(response)));
        }
        for part in get(result, "parts").iter().flat_map(Value::elements) {
            self.part(part, &mut turn.parts);
        }
        self.request.turns.push(turn);
    }

    /// A result that is one text is that text; any other is told as it stands.
    fn said(&self, response: Value<'_>) -> Str {
        let mut members = response.members();
        if let (Some((key, value)), None) = (members.next(), members.next())
            && RESULTS.iter().any(|name| is(key, name))
            && let Some(text) = Str::of(self.body, value)
        {
            return text;
        }
        Str::escaped(std::str::from_utf8(response.raw()).unwrap_or("{}"))
    }

    fn part(&mut self, part: Value<'_>, out: &mut Vec<Part>) {
        if let Some(text) = self.str(part, "text") {
            if !text.is_empty() {
                out.push(Part::Text(text));
            }
        } else if let Some(data) = object(part, "inlineData") {
            match self.inline(data) {
                Some(part) => out.push(part),
                None => self.lose("inlineData", true),
            }
        } else if let Some(file) = object(part, "fileData") {
            let kind = get(file, "mimeType").and_then(|kind| kind.as_str());
            let image = kind.is_some_and(|kind| kind.starts_with("image/"));
            // One that was uploaded before means something to its vendor only.
            let url = self.str(file, "fileUri").filter(|url| {
                let text = url.text();
                text.starts_with("http") && !text.contains("generativelanguage")
            });
            match url.filter(|_| image) {
                Some(url) => out.push(Part::Image {
                    at: Blob::Url(url),
                    detail: None,
                }),
                None => self.lose("fileData", true),
            }
        } else if part.members().next().is_some() {
            // What the vendor's own tools said, and whatever comes next.
            self.lose("parts", true);
        }
    }

    fn inline(&self, data: Value<'_>) -> Option<Part> {
        let kind = self.str(data, "mimeType")?;
        let name = self.str(data, "displayName");
        let data = self.str(data, "data")?;
        let word = kind.text().to_ascii_lowercase();
        if let Some(format) = word.strip_prefix("audio/") {
            let format = match format {
                "mpeg" => "mp3",
                "x-wav" | "wave" => "wav",
                other => other,
            };
            let format = Str::escaped(format);
            return Some(Part::Audio { data, format });
        }
        let at = Blob::Inline { kind, data };
        Some(if word.starts_with("image/") {
            Part::Image { at, detail: None }
        } else {
            Part::File { name, at }
        })
    }
}

/// The id of the first of these calls that has no result yet; now it has one.
fn first_open(places: &mut VecDeque<usize>, calls: &mut [Called]) -> Option<Str> {
    while let Some(at) = places.pop_front() {
        if let Some(called) = calls.get_mut(at).filter(|called| !called.answered) {
            called.answered = true;
            return Some(called.id.clone());
        }
    }
    None
}

fn parts<'a>(content: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let parts = get(content, "parts");
    parts.into_iter().flat_map(|parts| parts.elements())
}
