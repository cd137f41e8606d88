//! HTTP/1.1 chunked framing, decoded in place (RFC 9112, section 7.1).
//!
//! Strict: CRLF line ends only, bounded size lines and trailers. Keeps its state between reads, so any cut is fine.
//! Knows no socket; bytes in, shorter bytes out.

/// Bytes of one size line with its extensions, and of all trailers together. Nothing useful is longer.
const LINE_BYTES_MAX: u32 = 4096;

/// Where in the framing the last read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size line's digits.
    Size {
        value: u64,
        digits: u32,
    },
    /// In the blanks behind a size.
    Blank {
        value: u64,
    },
    /// In a chunk extension.
    Extension {
        value: u64,
    },
    /// After the CR of a size line.
    SizeEnd {
        value: u64,
    },
    /// In a chunk's data.
    Data {
        left: u64,
    },
    /// After a chunk's data: CR, then LF.
    DataCr,
    DataLf,
    /// At the start of a trailer line, in its name, in its value, after its CR, after the CR of the empty one.
    Trailer,
    TrailerName,
    TrailerLine,
    TrailerLf,
    LastLf,
    Done,
}

/// Framing that is not chunked framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// Decoder of one body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    line: u32,
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::Size {
                value: 0,
                digits: 0,
            },
            line: 0,
        }
    }
}

impl Chunked {
    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes a read in place: moves the payload to the front of `read` and returns (bytes of payload, bytes used).
    /// Less is used than given only when the body is complete.
    ///
    /// # Errors
    /// [`Invalid`]; the connection must then be closed.
    pub fn decode(&mut self, read: &mut [u8]) -> Result<(usize, usize), Invalid> {
        let (mut from, mut to) = (0, 0);
        while let Some(byte) = read.get(from).copied() {
            if let State::Data { left } = self.state {
                let available = read.len() - from;
                let step = usize::try_from(left).unwrap_or(usize::MAX).min(available);
                if to != from {
                    read.copy_within(from..from + step, to);
                }
                from += step;
                to += step;
                let left = left - step as u64;
                self.state = if left == 0 {
                    State::DataCr
                } else {
                    State::Data { left }
                };
                continue;
            }
            if self.state == State::Done {
                break;
            }
            self.step(byte)?;
            from += 1;
        }
        Ok((to, from))
    }

    fn step(&mut self, byte: u8) -> Result<(), Invalid> {
        self.line += 1;
        if self.line > LINE_BYTES_MAX {
            return Err(Invalid);
        }
        self.state = match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits would fit 64 bits; fifteen leave no doubt.
                if digits >= 15 {
                    return Err(Invalid);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                State::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::Size { value, digits: 1.. } | State::Blank { value }, b' ' | b'\t') => {
                State::Blank { value }
            }
            (State::Size { value, digits: 1.. } | State::Blank { value }, b';') => {
                State::Extension { value }
            }
            (
                State::Size { value, digits: 1.. }
                | State::Blank { value }
                | State::Extension { value },
                b'\r',
            ) => State::SizeEnd { value },
            (State::Extension { value }, _) if is_printable(byte) => State::Extension { value },
            (State::SizeEnd { value: 0 }, b'\n') => State::Trailer,
            (State::SizeEnd { value }, b'\n') => {
                self.line = 0;
                State::Data { left: value }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line = 0;
                State::Size {
                    value: 0,
                    digits: 0,
                }
            }
            (State::Trailer, b'\r') => State::LastLf,
            (State::TrailerLine, b'\r') => State::TrailerLf,
            (State::TrailerName, b':') => State::TrailerLine,
            (State::Trailer | State::TrailerName, _) if is_token(byte) => State::TrailerName,
            (State::TrailerLine, _) if is_printable(byte) => State::TrailerLine,
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(Invalid),
        };
        Ok(())
    }
}

/// Whether a value may have it: no control character but a tab (RFC 9110, section 5.5).
fn is_printable(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// Whether a name may have it (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(reads: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), Invalid> {
        let (mut chunked, mut out, mut used) = (Chunked::default(), Vec::new(), 0);
        for read in reads {
            let mut read = read.to_vec();
            let (payload, took) = chunked.decode(&mut read)?;
            out.extend_from_slice(&read[..payload]);
            used += took;
        }
        Ok((out, chunked.is_done(), used))
    }

    #[test]
    fn reads_and_refuses() {
        assert_eq!(
            decode(&[b"4 \r\nWiki\r\n5 ;x=\"y\"\r\npedia\r\n0\r\nT: 1\r\n\r\nrest"]),
            Ok((b"Wikipedia".to_vec(), true, 38))
        );
        for bad in [
            "4\nWiki\r\n",
            "\r\n",
            "g\r\n",
            "4\r\nWikiX",
            "1234567890abcdef1\r\n",
            "-1\r\n",
            "0x4\r\n",
            "0\r\n\n",
            "4 2\r\n",
            "4\t7f\r\n",
            "4;a\0\r\n",
            "4;a\n",
            "0\r\nnone\r\n",
            "0\r\n folded\r\n",
            "0\r\na b: c\r\n",
            "0\r\n: c\r\n",
            "0\r\na: \0\r\n",
            "0\r\na: b\n",
        ] {
            assert_eq!(decode(&[bad.as_bytes()]), Err(Invalid), "{bad}");
        }
        assert_eq!(
            decode(&[&[b"1;", vec![b'a'; 5000].as_slice()].concat()]),
            Err(Invalid)
        );
    }

    proptest! {
        #[test]
        fn any_cut_is_fine(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..6), mut cuts in prop::collection::vec(0usize..200, 0..8)) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            cuts.retain(|cut| *cut <= wire.len());
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let reads: Vec<&[u8]> = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(&reads), Ok((chunks.concat(), true, wire.len())));
        }
    }
}
