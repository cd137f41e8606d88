//! The zone of conditions' clocks: an offset from UTC.
//!
//! Knows the zones that have had no summer time for decades, which those of China's neighbours have not, and offsets;
//! no database of time zones. Invariant: a name that is not known is refused, never taken for UTC.

/// Names, and minutes east of UTC.
const ZONES: [(&str, i32); 20] = [
    ("Asia/Shanghai", 480),
    ("Asia/Chongqing", 480),
    ("Asia/Harbin", 480),
    ("Asia/Urumqi", 360),
    ("Asia/Hong_Kong", 480),
    ("Asia/Macau", 480),
    ("Asia/Taipei", 480),
    ("Asia/Singapore", 480),
    ("Asia/Kuala_Lumpur", 480),
    ("Asia/Manila", 480),
    ("Asia/Tokyo", 540),
    ("Asia/Seoul", 540),
    ("Asia/Bangkok", 420),
    ("Asia/Jakarta", 420),
    ("Asia/Ho_Chi_Minh", 420),
    ("Asia/Kolkata", 330),
    ("Asia/Karachi", 300),
    ("Asia/Dubai", 240),
    ("Asia/Riyadh", 180),
    ("UTC", 0),
];

/// Seconds east of UTC of a zone's name or of an offset such as `+08:00`.
#[must_use]
pub fn offset_seconds(zone: &str) -> Option<i32> {
    if let Some((_, minutes)) = ZONES.iter().find(|(name, _)| *name == zone) {
        return Some(minutes * 60);
    }
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// An offset as [`offset_seconds`] reads it.
#[must_use]
pub fn shown(offset_s: i32) -> String {
    let sign = if offset_s < 0 { '-' } else { '+' };
    let minutes = offset_s.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    ZONES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_offsets() {
        for (zone, expected) in [
            ("Asia/Shanghai", Some(28_800)),
            ("UTC", Some(0)),
            ("+05:30", Some(19_800)),
            ("-03:00", Some(-10_800)),
            ("+8", None),
            ("+15:00", None),
            ("+08:60", None),
            ("Europe/Paris", None),
            ("", None),
            ("玉", None),
        ] {
            assert_eq!(offset_seconds(zone), expected, "{zone}");
            if let Some(offset_s) = expected {
                assert_eq!(offset_seconds(&shown(offset_s)), expected);
            }
        }
    }
}
