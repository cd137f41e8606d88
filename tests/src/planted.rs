//! Values that must not be seen, and the search for them in whatever was sent, written or said.
//!
//! Knows how a value can be disguised, from the list of evasions, and not how the gateway undoes it: what was sent is
//! brought to the plainest form there is, and every value is looked for in it.

use crate::pii::random::Random;
use crate::pii::values;

/// A value that was put somewhere.
#[derive(Clone, Debug)]
pub struct Planted {
    /// As a person writes it.
    pub value: String,
    /// The characters by which it is found in plain text.
    pub needle: String,
}

impl Planted {
    fn new(value: String) -> Self {
        let needle = plain(&value);
        Self { value, needle }
    }
}

/// Makes values, never the same one twice.
#[derive(Debug)]
pub struct Planter {
    random: Random,
    made: Vec<Planted>,
}

impl Planter {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            made: Vec::new(),
        }
    }

    /// All values so far.
    pub fn made(&self) -> &[Planted] {
        &self.made
    }

    /// A mobile number of eleven digits.
    pub fn mobile(&mut self) -> String {
        self.keep(values::mobile)
    }

    /// An identity card's number, in digits only.
    pub fn id_card(&mut self) -> String {
        self.keep(|random| {
            loop {
                let id = values::of("CN_ID_CARD", random);
                if id.bytes().all(|byte| byte.is_ascii_digit()) {
                    return id;
                }
            }
        })
    }

    /// An address of electronic mail.
    pub fn email(&mut self) -> String {
        self.keep(|random| {
            let user = random.string("abcdefghijklmnopqrstuvwxyz", 9);
            format!("{user}@planted.example.cn")
        })
    }

    /// An access key.
    pub fn access_key(&mut self) -> String {
        self.keep(|random| {
            format!(
                "AKIA{}",
                random.string("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
            )
        })
    }

    /// One of these, in turn.
    pub fn any(&mut self) -> String {
        match self.made.len() % 4 {
            0 => self.id_card(),
            1 => self.email(),
            2 => self.access_key(),
            _ => self.mobile(),
        }
    }

    fn keep(&mut self, mut make: impl FnMut(&mut Random) -> String) -> String {
        loop {
            let planted = Planted::new(make(&mut self.random));
            if self.made.iter().all(|one| one.needle != planted.needle) {
                self.made.push(planted.clone());
                return planted.value;
            }
        }
    }
}

/// Values that are in `bytes`, in whatever disguise.
pub fn seen<'p>(bytes: &[u8], planted: &'p [Planted]) -> Vec<&'p str> {
    let text = String::from_utf8_lossy(bytes);
    let mut shadow = plain(&text);
    for file in files(&unescaped(&text)) {
        shadow.push(' ');
        shadow.push_str(&plain(&file));
    }
    planted
        .iter()
        .filter(|one| shadow.contains(&one.needle))
        .map(|one| one.value.as_str())
        .collect()
}

/// Letters and digits alone, as ASCII where they have a twin there, with escapes undone.
pub fn plain(text: &str) -> String {
    unescaped(text)
        .chars()
        .filter_map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
            '\u{660}'..='\u{669}' => char::from_u32(c as u32 - 0x660 + 0x30),
            other => Some(other),
        })
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// `\u0031`, however often its backslash was escaped, and `%31`.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '%']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let tail = rest.trim_start_matches('\\');
        let hex = |from: usize, digits: usize| {
            let digits = tail.get(from..from + digits)?;
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        };
        if tail.len() < rest.len()
            && tail.starts_with('u')
            && let Some(c) = hex(1, 4)
        {
            out.push(c);
            rest = &tail[5..];
        } else if tail.len() < rest.len() {
            // What a line feed and its like part is no longer one value only to a reader who does not look closely.
            rest = match tail.as_bytes().first() {
                Some(b'n' | b'r' | b't') => &tail[1..],
                _ => tail,
            };
        } else if let Some(c) = hex(1, 2) {
            out.push(c);
            rest = &rest[3..];
        } else {
            out.push('%');
            rest = &rest[1..];
        }
    }
    out + rest
}

/// The texts of files that stand in base64 behind `base64,`.
fn files(text: &str) -> Vec<String> {
    let coded = text.split("base64,").skip(1);
    coded
        .map(|rest| {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)))
                .unwrap_or(rest.len());
            String::from_utf8_lossy(&from_base64(&rest[..end])).into_owned()
        })
        .collect()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64, padded.
pub fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            out.push(if at <= three.len() {
                char::from(BASE64[(word >> (18 - 6 * at)) as usize & 63])
            } else {
                '='
            });
        }
    }
    out
}

/// Bytes of base64, up to the first character that is none.
pub fn from_base64(text: &str) -> Vec<u8> {
    let (mut out, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for byte in text.bytes() {
        let Some(six) = BASE64.iter().position(|known| *known == byte) else {
            break;
        };
        word = word << 6 | six as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    out
}

/// Every character as JSON's escape: what a careless reader of raw bytes does not see.
pub fn escaped(text: &str) -> String {
    let mut units = [0; 2];
    text.chars()
        .flat_map(|c| c.encode_utf16(&mut units).to_vec())
        .map(|unit| format!("\\u{unit:04x}"))
        .collect()
}

/// ASCII as its full-width twin.
pub fn fullwidth(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap(),
            other => other,
        })
        .collect()
}

/// Nothing that is seen between any two characters.
pub fn zero_width(text: &str) -> String {
    text.chars().flat_map(|c| [c, '\u{200b}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_every_disguise() {
        let mut planter = Planter::new(7);
        let id = planter.id_card();
        let file = to_base64(format!("a file with {id}.").as_bytes());
        for text in [
            id.clone(),
            escaped(&id),
            escaped(&id).replace('\\', "\\\\"),
            fullwidth(&id),
            zero_width(&id),
            format!("{}-{}", &id[..6], &id[6..]),
            format!("{}\\n{}", &id[..6], &id[6..]),
            format!("%{:02x}{}", id.as_bytes()[0], &id[1..]),
            format!("\"data:text/plain;base64,{file}\""),
        ] {
            assert_eq!(seen(text.as_bytes(), planter.made()), [&id], "{text}");
        }
        let other = planter.mobile();
        assert_eq!(seen(other.as_bytes(), planter.made()), [&other]);
        assert!(seen(&id.as_bytes()[1..], planter.made()).is_empty());
    }
}
