//! Whole numbers as digits, without the formatting machinery: heads and headers are written for every request.
//!
//! Knows nothing of what is counted.

/// The digits of `number`, at the end of `room`.
#[must_use]
pub fn decimal(number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut left = number;
    let mut used = 0;
    for place in room.iter_mut().rev() {
        // The remainder is below ten.
        *place = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        used += 1;
        if left == 0 {
            break;
        }
    }
    room.get(room.len() - used..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_display_writes() {
        for number in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }
}
