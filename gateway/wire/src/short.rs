//! Comparing short texts, names above all, in place: a call of the C library's comparison costs more than what it does for
//! so few bytes. On some machines (AMD with AVX-512, glibc 2.36: its masked comparison) it costs 27 ns, a hundred times as much,
//! and a request compares hundreds of names.
//!
//! Knows nothing of what is compared.

/// Whether two byte strings are the same; meant for short ones.
#[must_use]
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // A beginning and an end of fixed length, which may overlap, are all of it.
    match a.len() {
        0 => true,
        1..4 => a.iter().eq(b),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        17..=32 => {
            a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk()
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn says_what_equality_says(a in prop::collection::vec(0..2u8, 0..40), b in prop::collection::vec(0..2u8, 0..40)) {
            prop_assert_eq!(same(&a, &b), a == b);
            prop_assert!(same(&a, &a.clone()));
        }
    }

    #[test]
    fn every_byte_counts() {
        for length in 1..48 {
            let one = vec![7; length];
            for at in 0..length {
                let mut other = one.clone();
                other[at] = 8;
                assert!(!same(&one, &other), "{length} {at}");
            }
        }
    }
}
