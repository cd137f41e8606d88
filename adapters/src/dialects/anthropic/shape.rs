//! Whether the arguments of a call are a whole JSON object yet, told from its pieces as they come.
//!
//! Reads the escaped inside of a string that holds JSON: an escape of the outer string is one character of the inner text.
//! Checks nothing else. Invariant: no piece ends inside an outer escape.

/// How far one has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    depth: u32,
    in_string: bool,
    /// The next character of an inner string is escaped.
    escaped: bool,
    whole: bool,
}

impl Shape {
    /// Whether the object has ended.
    pub(crate) fn is_whole(self) -> bool {
        self.whole
    }

    /// After one more piece.
    pub(crate) fn over(mut self, piece: &[u8]) -> Self {
        let mut bytes = piece.iter();
        while let Some(byte) = bytes.next() {
            let inner = match byte {
                b'\\' => match bytes.next() {
                    Some(b'"') => b'"',
                    Some(b'\\') => b'\\',
                    Some(b'u') => unicode(&mut bytes),
                    // White space, which means nothing here.
                    _ => b' ',
                },
                other => *other,
            };
            self.step(inner);
        }
        self
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.whole = self.depth == 0;
            }
            _ => {}
        }
    }
}

/// The character of a `\u` escape, if it is one that structure is made of.
fn unicode(bytes: &mut std::slice::Iter<'_, u8>) -> u8 {
    let mut digits = [0; 4];
    for digit in &mut digits {
        *digit = bytes.next().copied().unwrap_or_default();
    }
    let number = std::str::from_utf8(&digits)
        .ok()
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number
        .and_then(|number| u8::try_from(number).ok())
        .filter(u8::is_ascii)
        .unwrap_or(b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::json;

    fn escaped(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        json::escape(text, &mut out);
        out
    }

    #[test]
    fn is_whole_at_the_last_brace_and_not_before() {
        for text in [
            r#"{"a":"}\\\"{","b":[{"c":1}]}"#,
            "{}",
            " { \"x\" : \"\\u007d\" } ",
            "{\"城市\":\"北京\\n\"}",
        ] {
            let mut shape = Shape::default();
            let end = text.trim_end().len();
            for (at, c) in text.char_indices() {
                shape = shape.over(&escaped(&c.to_string()));
                assert_eq!(shape.is_whole(), at + 1 >= end, "{text} at {at}");
            }
        }
        assert!(Shape::default().over(b"{\\u0022a\\u0022:1}").is_whole());
    }

    proptest! {
        #[test]
        fn any_object_is_whole_at_its_end(keys in prop::collection::vec(".{0,6}", 0..5), value in ".{0,12}") {
            let object: serde_json::Map<String, serde_json::Value> =
                keys.into_iter().map(|key| (key, value.clone().into())).collect();
            let text = serde_json::Value::Object(object).to_string();
            let raw = escaped(&text);
            prop_assert!(Shape::default().over(&raw).is_whole());
            let last = raw.len() - 1;
            prop_assert!(!Shape::default().over(&raw[..last]).is_whole());
        }
    }
}
