//! Makers of telephone numbers, cards, addresses of machines and tokens.

use super::makers::*;
use super::random::Random;

pub(super) fn phone_intl(r: &mut Random) -> String {
    match r.below(6) {
        0 => format!(
            "+1 ({}) {}-{}",
            r.range(201, 989),
            r.range(200, 999),
            r.digits(4)
        ),
        1 => format!("+44 20 {} {}", r.range(7000, 7999), r.digits(4)),
        2 => format!("+852 {} {}", r.range(5100, 9899), r.digits(4)),
        3 => format!("+81-90-{}-{}", r.digits(4), r.digits(4)),
        4 => format!("+65 {} {}", r.range(8100, 9899), r.digits(4)),
        _ => format!(
            "+1{}{}{}",
            r.range(201, 989),
            r.range(200, 999),
            r.digits(4)
        ),
    }
}

pub(super) fn landline(r: &mut Random) -> String {
    let (area, n) = [
        ("010", 8),
        ("021", 8),
        ("020", 8),
        ("0755", 8),
        ("0571", 8),
        ("0512", 8),
        ("0931", 7),
        ("0871", 8),
        ("0452", 7),
    ][r.below(9)];
    let number = format!("{}{}", r.range(2, 8), r.digits(n - 1));
    match r.below(5) {
        0 => format!("({area}){number}"),
        1 => format!("{area} {number}"),
        2 => format!("{area}-{number}-{}", r.range(100, 9999)),
        3 => format!("{area}-{number}转{}", r.range(100, 9999)),
        _ => format!("{area}-{number}"),
    }
}

pub(super) fn card(r: &mut Random) -> String {
    let body = match r.below(5) {
        0 => format!("62{}", r.digits(13)),
        1 => format!(
            "{}{}",
            r.pick(&["622202", "621700", "621226", "622848", "623058"]),
            r.digits(12)
        ),
        2 => format!(
            "{}{}",
            r.pick(&["622202", "621700", "621226", "622848", "623058"]),
            r.digits(12)
        ),
        3 => format!("{}{}", r.pick(&["622588", "625988", "620500"]), r.digits(9)),
        _ => format!("955880{}", r.digits(12)),
    };
    luhn(&body)
}

pub(super) fn credit(r: &mut Random) -> String {
    let body = match r.below(6) {
        0 => format!("{}{}", r.range(51, 55), r.digits(13)),
        1 => format!("3{}{}", r.pick(&["4", "7"]), r.digits(12)),
        2 => format!("35{}{}", r.range(28, 89), r.digits(11)),
        3 => format!("6011{}", r.digits(11)),
        _ => format!("4{}", r.digits(14)),
    };
    luhn(&body)
}

pub(super) fn email(r: &mut Random) -> String {
    let first = r.pick(&[
        "zhang", "li", "wang", "john", "mary", "chen", "alice", "liu", "bob",
    ]);
    let local = match r.below(4) {
        0 => format!("{first}{}", r.digits(3)),
        1 => format!("{first}.{}", r.pick(&["wei", "smith", "na", "lee", "min"])),
        2 => format!("{first}_{}", r.digits(2)),
        _ => r.digits(9).replacen('0', "1", 1),
    };
    format!(
        "{local}@{}",
        r.pick(&[
            "example.com",
            "qq.com",
            "163.com",
            "gmail.com",
            "corp-mail.cn",
            "mail.example.com.cn",
            "outlook.com",
            "company.io",
            "uni.edu.cn"
        ])
    )
}

pub(super) fn ip(r: &mut Random) -> String {
    match r.below(5) {
        0 => format!("192.168.{}.{}", r.range(0, 255), r.range(1, 254)),
        1 => format!(
            "10.{}.{}.{}",
            r.range(0, 255),
            r.range(0, 255),
            r.range(1, 254)
        ),
        2 => format!(
            "2001:db8:{}::{}:{}",
            r.string(HEX, 4).replacen('0', "1", 1),
            r.range(1, 9),
            r.range(1000, 9999)
        ),
        _ => format!(
            "{}.{}.{}.{}",
            r.range(40, 223),
            r.range(0, 255),
            r.range(0, 255),
            r.range(1, 254)
        ),
    }
}

pub(super) fn mac(r: &mut Random) -> String {
    let hex = if r.once_in(2) {
        HEX
    } else {
        "0123456789ABCDEF"
    };
    let s = r.pick(&[":", "-"]);
    let pairs: Vec<String> = (0..6).map(|_| r.string(hex, 2)).collect();
    if r.once_in(6) {
        format!(
            "{}{}.{}{}.{}{}",
            pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5]
        )
        .to_lowercase()
        .replacen('1', "a", 1)
    } else {
        pairs.join(s)
    }
}

pub(super) fn password(r: &mut Random) -> String {
    format!(
        "{}{}{}{}",
        r.string(UPPER, 2),
        r.string("abcdefghjkmnpqrstuvwxyz", 4),
        r.pick(&["@", "#", "!", "$", "_"]),
        r.digits(4)
    )
}

pub(super) fn gps(r: &mut Random) -> String {
    format!(
        "{}.{}, {}.{}",
        r.range(18, 53),
        r.string("123456789", 6),
        r.range(74, 134),
        r.string("123456789", 6)
    )
}

pub(super) fn base64url(text: &str) -> String {
    const SET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let n = chunk.iter().fold(0u32, |v, &b| v << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(SET[(n >> (18 - 6 * i) & 63) as usize] as char);
        }
    }
    out
}
