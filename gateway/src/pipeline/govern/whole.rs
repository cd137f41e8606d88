//! The short way of a reply that came whole: most have nothing in them that a policy looks for.
//!
//! Looks, and changes nothing. Invariant: what is told to be content would come out of the long way as it is, and be
//! counted as nothing there.

use wire::{Edits, Fault, Kind};

use super::{Governor, Spoken};

/// Texts of a reply that are compared with each other.
const FEW: usize = 16;

impl<E> Governor<E> {
    /// Whether what is looked for stands in a text.
    pub(in crate::pipeline) fn finds(&mut self, text: &str) -> bool {
        self.found.clear();
        if self.recording || self.policy.reads_replies() {
            self.policy.set.scan("", text, &mut self.found);
        }
        !self.found.is_empty()
    }

    /// Whether anything of the reply was replaced, or put back.
    pub(in crate::pipeline) fn has_replaced(&self) -> bool {
        self.replaced
    }

    /// Edits the reply further. It must wait still.
    ///
    /// # Errors
    /// `Bug` if it does not, or the edits cross others.
    pub(in crate::pipeline) fn edit(&mut self, edits: Edits) -> Result<(), Fault> {
        let edited = self.hold.edit_last(edits);
        edited.map_err(|_| Fault::new(Kind::Bug).detail("edits cross"))
    }

    /// Whether nothing is to be done with the texts of a reply that came whole, as nearly always: nothing in them is looked
    /// for, nothing can be put back, no label is to stand before them. Each is looked through where it stands; what
    /// [`take`](Self::take) and [`finish`](Self::finish) would find in them is the same.
    pub(in crate::pipeline) fn is_content(&mut self, spoken: &[Spoken<'_>]) -> bool {
        let alone = |(at, one): (usize, &Spoken<'_>)| {
            let mut others = spoken.iter().skip(at + 1);
            others.all(|other| other.lane != one.lane)
        };
        // Texts of one lane are one text.
        let simple = self.restores.is_none() && self.prefix.is_none() && self.lanes.is_empty();
        if !simple || spoken.len() > FEW || !spoken.iter().enumerate().all(alone) {
            return false;
        }
        let (set, found) = (&self.policy.set, &mut self.found);
        let reads = self.recording || self.policy.reads_replies();
        spoken.iter().all(|spoken| {
            found.clear();
            if reads {
                set.scan("", &spoken.text(), found);
            }
            found.is_empty()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::turns::{policy, spoken};
    use super::super::{Caps, Taken};
    use super::*;
    use proptest::prelude::*;

    const CAPS: Caps = Caps {
        bytes: usize::MAX,
        nanos: u64::MAX,
    };

    fn all(texts: &[String]) -> Vec<Spoken<'_>> {
        let one = |(field, text)| spoken(field, text);
        (0..)
            .zip(texts.iter().map(String::as_str))
            .map(one)
            .collect()
    }

    fn governor() -> Governor<u32> {
        Governor::new(policy(), None, None, CAPS)
    }

    /// Whether the long way leaves texts as they are.
    fn stays(spoken: &[Spoken<'_>]) -> bool {
        let mut governor = governor();
        let mut edited = false;
        if let Taken::Held = governor.take(1, 1, spoken, Edits::new(), 0).unwrap() {
            governor.finish(None).unwrap();
            governor.release(|_, edits| edited |= !edits.is_empty());
        }
        !edited && governor.tally.is_empty()
    }

    #[test]
    fn a_number_is_no_content() {
        let plain = [
            "The weather is fine.".to_owned(),
            "今天天气很好。".to_owned(),
        ];
        assert!(governor().is_content(&all(&plain)));
        let number = ["fine".to_owned(), "call 13812345678 now".to_owned()];
        assert!(!governor().is_content(&all(&number)));
        let escaped = ["call 1381234\\u0035678 now".to_owned()];
        assert!(!governor().is_content(&all(&escaped)));
        let mut twice = all(&plain);
        for spoken in &mut twice {
            spoken.lane.field = 3;
        }
        assert!(
            !governor().is_content(&twice),
            "two texts of a lane are one"
        );
    }

    proptest! {
        #[test]
        fn content_comes_out_as_it_is(
            texts in prop::collection::vec(
                prop::collection::vec(
                    prop_oneof![
                        Just("138"), Just("1381234"), Just("12345678"), Just(" "), Just("tel: "),
                        Just("\\u0031"), Just("\\n"), Just("电话"), Just("（"), Just("a@b.cn"), Just("word"),
                    ],
                    0..6,
                ).prop_map(|parts| parts.concat()),
                0..4,
            ),
        ) {
            let spoken = all(&texts);
            if governor().is_content(&spoken) {
                prop_assert!(stays(&spoken));
            }
        }
    }
}
