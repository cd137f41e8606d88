//! Check digits and calendars: arithmetic over digits, each by its published standard.
//!
//! Knows no text. Every function takes digit values or upper-case letters and says whether they hold together.

/// ISO 7064 MOD 11-2 over 17 digits; the check value is 0–10, 10 being `X`. GB 11643.
pub(crate) fn id_check(body: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [u8; 11] = [1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = body
        .iter()
        .zip(WEIGHTS)
        .map(|(&d, w)| u32::from(d) * w)
        .sum();
    CHECKS.get((sum % 11) as usize).copied().unwrap_or(0)
}

/// Whether the first two digits of a GB/T 2260 region are a province's.
pub(crate) fn province(code: u32) -> bool {
    matches!(code, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

/// Whether the day exists in the Gregorian calendar.
pub(crate) fn date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// The last year of birth that is believed. Time is not asked for here; a fixed horizon keeps scanning a pure function.
pub(crate) const YEAR_MAX: u32 = 2035;

/// A date of birth of somebody who may live.
pub(crate) fn birth_date(year: u32, month: u32, day: u32) -> bool {
    (1880..=YEAR_MAX).contains(&year) && date(year, month, day)
}

/// ISO/IEC 7812, the last digit being the check.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| {
            let d = u32::from(d);
            if i % 2 == 0 {
                d
            } else if d > 4 {
                d * 2 - 9
            } else {
                d * 2
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The value of a character of GB 32100's alphabet.
fn uscc_value(c: u8) -> Option<u32> {
    b"0123456789ABCDEFGHJKLMNPQRTUWXY"
        .iter()
        .position(|&x| x == c)
        .and_then(|i| u32::try_from(i).ok())
}

/// GB 32100, MOD 31-3, over 18 characters.
pub(crate) fn uscc(code: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [
        1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
    ];
    let mut sum = 0;
    for (&c, w) in code.iter().zip(WEIGHTS) {
        let Some(v) = uscc_value(c) else { return false };
        sum += v * w;
    }
    code.len() == 18 && code.get(17).and_then(|&c| uscc_value(c)) == Some((31 - sum % 31) % 31)
}

/// GB 11714 over 9 characters.
pub(crate) fn org_code(code: &[u8]) -> bool {
    const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    let mut sum = 0;
    for (&c, w) in code.iter().zip(WEIGHTS) {
        let Some(v) = char::from(c).to_digit(36) else {
            return false;
        };
        sum += v * w;
    }
    let expected = match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        n => b'0' + u8::try_from(n).unwrap_or(0),
    };
    code.len() == 9 && code.get(8) == Some(&expected)
}

/// ISO 7064 MOD 11,10 over 15 digits.
pub(crate) fn business(digits: &[u8]) -> bool {
    let mut p = 10u32;
    for &d in digits.iter().take(14) {
        let s = match (p + u32::from(d)) % 10 {
            0 => 10,
            s => s,
        };
        p = 2 * s % 11;
    }
    digits.len() == 15 && digits.get(14).map(|&d| u32::from(d)) == Some((11 - p) % 10)
}

/// ISO 3779 over 17 characters.
pub(crate) fn vin(code: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let mut sum = 0;
    for (&c, w) in code.iter().zip(WEIGHTS) {
        let value = match c {
            b'0'..=b'9' => c - b'0',
            b'A'..=b'H' => c - b'A' + 1,
            b'J'..=b'N' => c - b'J' + 1,
            b'P' => 7,
            b'R' => 9,
            b'S'..=b'Z' => c - b'S' + 2,
            _ => return false,
        };
        sum += u32::from(value) * w;
    }
    let expected = match sum % 11 {
        10 => b'X',
        n => b'0' + u8::try_from(n).unwrap_or(0),
    };
    code.len() == 17 && code.get(8) == Some(&expected)
}

/// ISO 13616: whether the account number holds with its check digits.
pub(crate) fn iban(code: &[u8]) -> bool {
    let (Some(head), Some(tail)) = (code.get(..4), code.get(4..)) else {
        return false;
    };
    let mut rest = 0u32;
    for &c in tail.iter().chain(head) {
        let Some(v) = char::from(c).to_digit(36) else {
            return false;
        };
        rest = if v < 10 {
            (rest * 10 + v) % 97
        } else {
            (rest * 100 + v) % 97
        };
    }
    rest == 1
}

/// ICAO 9303: the check digit of a field.
pub(crate) fn mrz(field: &[u8]) -> Option<u8> {
    let mut sum = 0u32;
    for (i, &c) in field.iter().enumerate() {
        let v = match c {
            b'<' => 0,
            b'0'..=b'9' | b'A'..=b'Z' => char::from(c).to_digit(36)?,
            _ => return None,
        };
        sum += v * match i % 3 {
            0 => 7,
            1 => 3,
            _ => 1,
        };
    }
    Some(b'0' + u8::try_from(sum % 10).unwrap_or(0))
}

/// Hong Kong identity card: letters (one or two), six digits, the check as `0`–`9` or `A`.
pub(crate) fn hk_id(letters: &[u8], digits: &[u8], check: u8) -> bool {
    let value = |c: u8| char::from(c).to_digit(36).unwrap_or(0);
    let head = match *letters {
        [one] => 36 * 9 + value(one) * 8,
        [one, two] => value(one) * 9 + value(two) * 8,
        _ => return false,
    };
    let sum: u32 = head
        + digits
            .iter()
            .zip([7u32, 6, 5, 4, 3, 2])
            .map(|(&d, w)| u32::from(d) * w)
            .sum::<u32>();
    let expected = match 11 - sum % 11 {
        10 => b'A',
        11 => b'0',
        n => b'0' + u8::try_from(n).unwrap_or(0),
    };
    digits.len() == 6 && check == expected
}

/// Taiwan identity card: the letter and nine digits.
pub(crate) fn tw_id(letter: u8, digits: &[u8]) -> bool {
    let codes = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(n) = codes.iter().position(|&c| c == letter) else {
        return false;
    };
    let code = u32::try_from(n).unwrap_or(0) + 10;
    let sum: u32 = code / 10
        + code % 10 * 9
        + digits
            .iter()
            .zip([8u32, 7, 6, 5, 4, 3, 2, 1, 1])
            .map(|(&d, w)| u32::from(d) * w)
            .sum::<u32>();
    digits.len() == 9 && sum.is_multiple_of(10)
}

/// Singapore's NRIC and FIN: prefix, seven digits, check letter.
pub(crate) fn nric(prefix: u8, digits: &[u8], check: u8) -> bool {
    let sum: u32 = digits
        .iter()
        .zip([2u32, 7, 6, 5, 4, 3, 2])
        .map(|(&d, w)| u32::from(d) * w)
        .sum();
    let (offset, table): (u32, &[u8; 11]) = match prefix {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => {
            let index = 10 - (sum + 3) % 11;
            return digits.len() == 7 && b"KLJNPQRTUWX".get(index as usize) == Some(&check);
        }
        _ => return false,
    };
    digits.len() == 7 && table.get(((sum + offset) % 11) as usize) == Some(&check)
}

/// Japan's individual number, 12 digits.
pub(crate) fn my_number(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .take(11)
        .rev()
        .zip(1u32..)
        .map(|(&d, n)| u32::from(d) * if n <= 6 { n + 1 } else { n - 5 })
        .sum();
    let expected = if sum % 11 <= 1 { 0 } else { 11 - sum % 11 };
    digits.len() == 12 && digits.get(11).map(|&d| u32::from(d)) == Some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|b| b - b'0').collect()
    }

    #[test]
    fn worked_examples_of_the_standards() {
        assert_eq!(id_check(&digits("11010519491231002")), 10);
        assert_eq!(id_check(&digits("44030719880229031")), 0);
        assert_eq!(id_check(&digits("81000019920517204")), 4);
        assert_eq!(id_check(&digits("91184019850312301")), 8);
        assert!(date(1988, 2, 29) && !date(1900, 2, 29) && !date(1990, 13, 1));
        for card in [
            "6222021000112233449",
            "6217001234567890122",
            "4111111111111111",
            "378282246310005",
        ] {
            assert!(luhn(&digits(card)), "{card}");
        }
        assert!(
            uscc(b"91350100M000100Y43")
                && uscc(b"91310115MA5F2KQ78J")
                && !uscc(b"91310115MA5F2KQ78K")
        );
        assert!(org_code(b"MA5F2KQ78") && org_code(b"723456781") && org_code(b"D2143569X"));
        assert!(business(&digits("110108000000016")) && business(&digits("310115000234565")));
        assert!(
            vin(b"1M8GDM9AXKP042788") && vin(b"LSVAA418XE2100001") && !vin(b"LSVAA4181E2100001")
        );
        assert!(iban(b"GB82WEST12345698765432") && iban(b"DE89370400440532013000"));
        assert!(iban(b"FR1420041010050500013M02606"));
        assert_eq!(mrz(b"L898902C3"), Some(b'6'));
        assert_eq!(mrz(b"740812"), Some(b'2'));
        assert!(hk_id(b"A", &digits("123456"), b'3') && hk_id(b"WX", &digits("654321"), b'7'));
        assert!(tw_id(b'A', &digits("123456789")) && tw_id(b'F', &digits("231456781")));
        for (prefix, check) in [
            (b'S', b'D'),
            (b'T', b'J'),
            (b'F', b'N'),
            (b'G', b'X'),
            (b'M', b'K'),
        ] {
            assert!(
                nric(prefix, &digits("1234567"), check),
                "{}",
                char::from(prefix)
            );
        }
        assert!(my_number(&digits("123456789018")));
        assert!(luhn(&digits("490154203237518")) && luhn(&digits("861234056789012")));
    }
}
