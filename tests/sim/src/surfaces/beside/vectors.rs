//! Vectors of texts. A vector is made of its text alone, so that a test knows which text a vector stands for.

use super::{Wish, strange, strings, tokens};
use crate::json::{Obj, array, at};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Numbers in a vector, unless another length was asked for.
const LENGTH: usize = 6;

/// The simulated vector of a text: a few floats of its bytes, of which many are no short decimal.
#[must_use]
pub(crate) fn vector(text: &str, length: usize) -> Vec<f32> {
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let whole = u16::try_from(state >> 48).unwrap_or(0);
        (f32::from(whole) - 32_768.0) / 49_152.0
    };
    (0..length).map(|_| next()).collect()
}

/// How a vendor writes vectors.
pub(super) struct Shape {
    /// Where the texts stand.
    texts: &'static [&'static str],
    /// One string is a list of one.
    single: bool,
    /// Lists of token ids are taken.
    ids: bool,
    /// Texts of one call.
    most: usize,
    /// Where a length may be asked for.
    length: &'static [&'static str],
    /// Members that the body may have.
    known: &'static [&'static str],
    base64: bool,
    write: fn(&Wish<'_>, &[String], i64) -> String,
}

const KNOWN: &[&str] = &["model", "input", "encoding_format", "user"];

pub(super) static OPENAI: Shape = Shape {
    texts: &["input"],
    single: true,
    ids: true,
    most: 2048,
    length: &["dimensions"],
    known: &["model", "input", "encoding_format", "user", "dimensions"],
    base64: true,
    write: listed,
};
/// Refuses the wish for base64, and what it does not know.
pub(super) static FLOATS: Shape = Shape {
    ids: false,
    base64: false,
    known: &["model", "input", "encoding_format", "dimensions"],
    ..OPENAI
};
pub(super) static TONGYI: Shape = Shape { most: 10, ..FLOATS };
pub(super) static GLM: Shape = Shape { most: 64, ..FLOATS };
pub(super) static MISTRAL: Shape = Shape {
    length: &["output_dimension"],
    known: &["model", "input", "encoding_format", "output_dimension"],
    ..FLOATS
};
pub(super) static WENXIN: Shape = Shape {
    single: false,
    most: 16,
    length: &[],
    known: KNOWN,
    ..FLOATS
};
pub(super) static BAICHUAN: Shape = Shape {
    known: &["model", "input"],
    ..WENXIN
};
/// The model stands in the path.
pub(super) static WENXIN_V1: Shape = Shape {
    known: &["input", "user_id"],
    ..WENXIN
};
pub(super) static DASHSCOPE: Shape = Shape {
    texts: &["input", "texts"],
    single: false,
    most: 10,
    length: &["parameters", "dimension"],
    known: &["model", "input", "parameters"],
    write: dashscope,
    ..FLOATS
};
pub(super) static MINIMAX: Shape = Shape {
    texts: &["texts"],
    single: false,
    most: 4096,
    length: &[],
    known: &["model", "texts", "type"],
    write: minimax,
    ..FLOATS
};
pub(super) static SENSENOVA: Shape = Shape {
    single: false,
    most: 64,
    length: &[],
    known: &["model", "input"],
    write: sensenova,
    ..FLOATS
};

impl Shape {
    pub(super) fn reply(&self, wish: &Wish<'_>) -> Result<String, String> {
        let body = wish.body;
        if let Some(key) = strange(body, self.known) {
            return Err(format!("{key} is not supported"));
        }
        let value = at(body, self.texts);
        let ids = ids(value).filter(|_| self.ids);
        let texts: Vec<&str> = match (value.as_str(), &ids) {
            (Some(text), _) if self.single && !text.is_empty() => vec![text],
            (_, Some(ids)) => ids.iter().map(String::as_str).collect(),
            _ => strings(value).ok_or("input must be a list of strings")?,
        };
        if texts.len() > self.most {
            return Err(format!(
                "batch size is invalid, it should not be larger than {}",
                self.most
            ));
        }
        let length = match at(body, self.length) {
            _ if self.length.is_empty() => LENGTH,
            Value::Null => LENGTH,
            length => {
                let length = length
                    .as_u64()
                    .and_then(|length| usize::try_from(length).ok());
                length
                    .filter(|length| (1..=4096).contains(length))
                    .ok_or("no such dimension")?
            }
        };
        self.check_kind(body)?;
        let coded = match at(body, &["encoding_format"]).as_str() {
            None | Some("float") => false,
            Some("base64") if self.base64 => true,
            Some(other) => return Err(format!("encoding_format {other} is not supported")),
        };
        let vectors: Vec<String> = texts
            .iter()
            .map(|text| written(&vector(text, length), coded))
            .collect();
        Ok((self.write)(wish, &vectors, tokens(&texts)))
    }

    /// Words that say what a vector is for must be the vendor's.
    fn check_kind(&self, body: &Value) -> Result<(), String> {
        let (kind, words) = match self.texts {
            ["texts"] => (at(body, &["type"]), ["db", "query"]),
            ["input", "texts"] => (
                at(body, &["parameters", "text_type"]),
                ["document", "query"],
            ),
            _ => return Ok(()),
        };
        match kind.as_str() {
            Some(kind) if words.contains(&kind) => Ok(()),
            None if self.texts.len() > 1 => Ok(()),
            _ => Err(format!("the type must be one of {words:?}")),
        }
    }
}

/// Token ids as texts of their own: a list, or a list of lists.
fn ids(value: &Value) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let all = |list: &[Value]| list.iter().all(Value::is_u64);
    if all(list) {
        return Some(vec![value.to_string()]);
    }
    let inner = |value: &Value| {
        value
            .as_array()
            .filter(|list| all(list))
            .map(|_| value.to_string())
    };
    list.iter().map(inner).collect()
}

fn written(vector: &[f32], coded: bool) -> String {
    if coded {
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|float| float.to_le_bytes())
            .collect();
        return format!("\"{}\"", STANDARD.encode(bytes));
    }
    // As Python writes 32-bit floats: by way of 64 bits, in full.
    let numbers: Vec<String> = vector
        .iter()
        .map(|float| format!("{:?}", f64::from(*float)))
        .collect();
    array(&numbers)
}

fn usage(tokens: i64) -> String {
    Obj::new()
        .int("prompt_tokens", tokens)
        .int("total_tokens", tokens)
        .end()
}

fn counted(wish: &Wish<'_>, body: Obj, usage: &str) -> String {
    body.maybe("usage", (!wish.uncounted).then_some(usage))
        .end()
}

/// The last first: `index` says which is which.
fn listed(wish: &Wish<'_>, vectors: &[String], tokens: i64) -> String {
    let row = |(index, vector): (usize, &String)| {
        Obj::new()
            .str("object", "embedding")
            .raw("index", &index.to_string())
            .raw("embedding", vector)
            .end()
    };
    let mut rows: Vec<String> = vectors.iter().enumerate().map(row).collect();
    if wish.model.contains("backwards") {
        rows.reverse();
    }
    let body = Obj::new()
        .str("object", "list")
        .raw("data", &array(&rows))
        .str("model", wish.model);
    counted(wish, body, &usage(tokens))
}

fn dashscope(wish: &Wish<'_>, vectors: &[String], tokens: i64) -> String {
    let row = |(index, vector): (usize, &String)| {
        Obj::new()
            .raw("embedding", vector)
            .raw("text_index", &index.to_string())
            .end()
    };
    let rows: Vec<String> = vectors.iter().enumerate().map(row).collect();
    let output = Obj::new().raw("embeddings", &array(&rows)).end();
    let body = Obj::new().raw("output", &output);
    let body = body.str("request_id", &format!("sim-{:08x}", wish.serial));
    counted(wish, body, &Obj::new().int("total_tokens", tokens).end())
}

fn minimax(wish: &Wish<'_>, vectors: &[String], tokens: i64) -> String {
    let good = Obj::new()
        .int("status_code", 0)
        .str("status_msg", "success")
        .end();
    let body = Obj::new().raw("vectors", &array(vectors));
    let body = if wish.uncounted {
        body
    } else {
        body.int("total_tokens", tokens)
    };
    body.raw("base_resp", &good).end()
}

fn sensenova(wish: &Wish<'_>, vectors: &[String], tokens: i64) -> String {
    let row = |(index, vector): (usize, &String)| {
        Obj::new()
            .raw("index", &index.to_string())
            .raw("embedding", vector)
            .int("status_code", 0)
            .end()
    };
    let rows: Vec<String> = vectors.iter().enumerate().map(row).collect();
    counted(
        wish,
        Obj::new().raw("embeddings", &array(&rows)),
        &usage(tokens),
    )
}
