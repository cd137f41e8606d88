//! The names that secrets are assigned to, and whether one stands at the end of a text.
//!
//! Knows no value. A cheap look comes first, since most texts before a value end with none.

use crate::scan::gate::code_point;
use crate::scan::view::{LOWER, UPPER, is};

/// Names that a secret is assigned to, lower case, without `_`, `-` and spaces; matched at the end of what stands before.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "passphrase",
    "secretkey",
    "clientsecret",
    "accesstoken",
    "authtoken",
    "refreshtoken",
    "privatekey",
    "credential",
    "credentials",
    "pass",
    "appsecret",
    "appkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "secretaccesskey",
    "accesskeysecret",
    "bearer",
    "dbpass",
    "psw",
    "passcode",
    "webhooksecret",
    "jwtsecret",
    "sessionkey",
    "authkey",
    "apisecret",
    "apitoken",
    "accountkey",
];
const NAMES_ZH: &[&str] = &[
    "密码",
    "口令",
    "密钥",
    "秘钥",
    "登录密码",
    "令牌",
    "访问密钥",
    "私钥",
    "初始密码",
    "默认密码",
    "管理员密码",
    "授权码",
    "密匙",
    "暗号",
    "安全码",
    "登陆密码",
    "登录口令",
    "口令码",
    "凭据",
    "密码串",
    "临时密码",
    "密碼",
    "密鑰",
    "金鑰",
];

/// The last letters of the names in Latin letters.
const LAST: &[u8] = b"dtnyeslrw";

/// What the cheap look says of a name before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayBe {
    No,
    /// A part of one, perhaps: a word ends like a name.
    Near,
    Named,
}

/// Whether a name in Chinese may end with these two characters.
fn ends_zh(before: char, last: char) -> bool {
    match last {
        '码' => matches!(before, '密' | '权' | '全' | '令'),
        '碼' => before == '密',
        '鑰' => matches!(before, '密' | '金'),
        '钥' => matches!(before, '密' | '秘' | '问' | '私'),
        '令' => before == '口',
        '牌' => before == '令',
        '匙' => before == '密',
        '号' => before == '暗',
        '据' => before == '凭',
        '串' => before == '码',
        _ => false,
    }
}

/// The last character, if it is one of three bytes.
fn last_wide(text: &[u8]) -> Option<char> {
    match *text.last_chunk()? {
        [a @ 0xE0..=0xEF, b, c] => char::from_u32(code_point(a, b, c)),
        _ => None,
    }
}

/// Whether a name that secrets are assigned to may end the text, but for signs and filling words. Cheap, and says yes
/// too often.
pub(super) fn may_be_named(text: &[u8]) -> MayBe {
    const SIGNS: usize = 16;
    let signs = |text: &[u8]| {
        let last = text.get(text.len().saturating_sub(SIGNS)..);
        last.unwrap_or(&[])
            .iter()
            .rev()
            .take_while(|b| {
                matches!(
                    b,
                    b' ' | b'"'
                        | b'\''
                        | b'`'
                        | b':'
                        | b'='
                        | b'>'
                        | b'|'
                        | b'*'
                        | b')'
                        | b'\\'
                        | b'\t'
                )
            })
            .count()
    };
    let cut = |text: &[u8]| text.len() - signs(text);
    let mut rest = text.get(..cut(text)).unwrap_or(&[]);
    // ：“‘「）” and 是, 为, 成 and the like, in any order.
    for _ in 0..4 {
        let Some('：' | '“' | '‘' | '「' | '）' | '”' | '是' | '为' | '成' | '设' | '置' | '改') =
            last_wide(rest)
        else {
            break;
        };
        rest = rest.get(..rest.len() - 3).unwrap_or(&[]);
        rest = rest.get(..cut(rest)).unwrap_or(&[]);
    }
    if rest.ends_with(b"Basic") || rest.ends_with(b"basic") {
        return MayBe::Named;
    }
    if let [head @ .., b' ', b'i', b's'] = rest {
        rest = head.get(..cut(head)).unwrap_or(&[]);
    }
    match rest.last() {
        Some(b) if b.is_ascii_alphabetic() => {
            if ends_latin(rest) {
                MayBe::Named
            } else if LAST.contains(&(b | 0x20)) {
                MayBe::Near
            } else {
                MayBe::No
            }
        }
        Some(0x80..) => {
            let ends = last_wide(rest).is_some_and(|last| {
                let head = rest.get(..rest.len() - 3).unwrap_or(&[]);
                last_wide(head).is_some_and(|before| ends_zh(before, last))
            });
            if ends { MayBe::Named } else { MayBe::No }
        }
        _ => MayBe::No,
    }
}

/// Whether a name in Latin letters may end the text, by its last three letters; joints may stand between them.
fn ends_latin(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<3>() else {
        return false;
    };
    let joint = |b: &u8| matches!(b, b'_' | b'-' | b' ' | b'.');
    last.iter().any(joint)
        || matches!(
            &last.map(|b| b | 0x20),
            b"ord"
                | b"swd"
                | b"pwd"
                | b"ret"
                | b"ken"
                | b"key"
                | b"ase"
                | b"ial"
                | b"als"
                | b"ass"
                | b"rer"
                | b"psw"
                | b"ode"
                // The name may stand before the word `value`.
                | b"lue"
        )
}

/// Whether the text ends with a name that secrets are assigned to.
pub(super) fn secret_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.last() {
        Some(b) if LAST.contains(&(b | 0x20)) => NAMES
            .iter()
            .filter(|name| name.as_bytes().last() == Some(&(b | 0x20)))
            .any(|name| ends_with_name(bytes, name.as_bytes())),
        Some(0x80..) => NAMES_ZH.iter().any(|name| text.ends_with(name)),
        _ => false,
    }
}

/// Whether `text` ends with `name`, joints left out: `DB_PASSWORD`, `api-key`, `Access Key`. A short name must be a word
/// of its own.
fn ends_with_name(text: &[u8], name: &[u8]) -> bool {
    let mut at = text.len();
    let mut left = name.len();
    while left > 0 {
        let Some(b) = at.checked_sub(1).and_then(|i| text.get(i)) else {
            return false;
        };
        at -= 1;
        if name
            .get(left - 1)
            .is_some_and(|n| n.eq_ignore_ascii_case(b))
        {
            left -= 1;
        } else if !(matches!(b, b'_' | b'-' | b' ' | b'.') && left < name.len()) {
            return false;
        }
    }
    let before = at
        .checked_sub(1)
        .and_then(|i| text.get(i))
        .copied()
        .unwrap_or(b' ');
    let first = text.get(at).copied().unwrap_or(0);
    name.len() > 4
        || !is(before, LOWER | UPPER)
        || is(before, LOWER) && is(first, UPPER)
        || name == b"pwd"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_left_out_by_how_it_ends() {
        for name in NAMES {
            assert!(ends_latin(name.as_bytes()), "{name}");
            assert_eq!(
                may_be_named(format!("{name}: ").as_bytes()),
                MayBe::Named,
                "{name}"
            );
        }
        for name in NAMES_ZH {
            assert_eq!(
                may_be_named(format!("{name}：").as_bytes()),
                MayBe::Named,
                "{name}"
            );
        }
        let owned = may_be_named(br#"<add key="password" value=""#);
        assert_eq!(owned, MayBe::Named);
        assert!(ends_latin(b"ke y") && !ends_latin(b"phone"));
    }
}
