//! Keys and tokens by their vendors' prefixes.
//!
//! Strong: the prefix, the character set and the length say what it is. A vendor's documentation key (`…EXAMPLE`) is
//! none. Delay in a stream: a token waits for its end.

use super::value::{entropy, says_example, says_your};
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::site::{Found, STRONG, Site};
use crate::scan::view::{ALNUM, DASH, DIGIT, DOT, LOWER, UNDER, UPPER, View, is};

/// Longest token; a JWT may be longer.
const TOKEN_MAX: usize = 512;
const JWT_MAX: usize = 8192;

/// What tokens are made of.
const TOKEN: u8 = ALNUM | UNDER | DASH;

fn token(b: u8) -> bool {
    is(b, TOKEN)
}

fn lower_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

/// How a family of keys is written.
struct Family {
    prefix: &'static str,
    entity: Entity,
    /// Characters behind the prefix.
    min: usize,
    max: usize,
    set: u8,
}

fn alnum(b: u8) -> bool {
    is(b, ALNUM)
}

const BASE32: u8 = UPPER | DIGIT;

const fn family(prefix: &'static str, entity: Entity, min: usize, max: usize, set: u8) -> Family {
    Family {
        prefix,
        entity,
        min,
        max,
        set,
    }
}

/// The families by the first letter of their prefixes; of two prefixes, one of which begins the other, the longer first.
fn families(first: u8) -> &'static [Family] {
    match first {
        b'A' => CAPITAL_A,
        b'L' => CAPITAL_L,
        b's' => SMALL_S,
        b'h' => SMALL_H,
        b'g' => SMALL_G,
        b'x' => SMALL_X,
        b'r' => SMALL_R,
        _ => &[],
    }
}

static CAPITAL_A: &[Family] = &[
    family("AKIA", Entity::AwsAccessKey, 16, 16, BASE32),
    family("ASIA", Entity::AwsAccessKey, 16, 16, BASE32),
    family("ABIA", Entity::AwsAccessKey, 16, 16, BASE32),
    family("ACCA", Entity::AwsAccessKey, 16, 16, BASE32),
    family("AKID", Entity::TencentSecretId, 32, 32, ALNUM),
    family("AKLT", Entity::VolcAccessKey, 40, 48, ALNUM),
    family("ALTAK-", Entity::BaiduApiKey, 21, 21, ALNUM),
    family("ALTAK", Entity::BaiduApiKey, 20, 40, ALNUM),
    family("AIza", Entity::GoogleApiKey, 35, 35, TOKEN),
];
static CAPITAL_L: &[Family] = &[family("LTAI", Entity::AliyunAccessKey, 12, 20, ALNUM)];
/// `sk-…` of vendors that go on to say who they are.
static SMALL_SK: &[Family] = &[
    family("sk-ant-api", Entity::AnthropicApiKey, 83, TOKEN_MAX, TOKEN),
    family(
        "sk-ant-admin",
        Entity::AnthropicApiKey,
        83,
        TOKEN_MAX,
        TOKEN,
    ),
    family("sk-proj-", Entity::OpenaiApiKey, 40, TOKEN_MAX, TOKEN),
    family("sk-svcacct-", Entity::OpenaiApiKey, 40, TOKEN_MAX, TOKEN),
    family("sk-admin-", Entity::OpenaiApiKey, 40, TOKEN_MAX, TOKEN),
    family("sk-or-v1-", Entity::LlmApiKey, 40, 80, ALNUM),
];
static SMALL_S: &[Family] = &[
    family("sk_live_", Entity::StripeKey, 16, 255, ALNUM),
    family("sk_test_", Entity::StripeKey, 16, 255, ALNUM),
];
static SMALL_H: &[Family] = &[family("hf_", Entity::LlmApiKey, 34, 40, ALNUM)];
static SMALL_G: &[Family] = &[
    family("gsk_", Entity::LlmApiKey, 32, 80, ALNUM),
    family("ghp_", Entity::GithubToken, 36, 255, ALNUM),
    family("gho_", Entity::GithubToken, 36, 255, ALNUM),
    family("ghu_", Entity::GithubToken, 36, 255, ALNUM),
    family("ghs_", Entity::GithubToken, 36, 255, ALNUM),
    family("ghr_", Entity::GithubToken, 36, 255, ALNUM),
];
static SMALL_X: &[Family] = &[
    family("xai-", Entity::LlmApiKey, 32, 120, ALNUM),
    family("xoxb-", Entity::SlackToken, 10, 255, TOKEN),
    family("xoxa-", Entity::SlackToken, 10, 255, TOKEN),
    family("xoxp-", Entity::SlackToken, 10, 255, TOKEN),
    family("xoxe-", Entity::SlackToken, 10, 255, TOKEN),
    family("xoxe.", Entity::SlackToken, 10, 255, TOKEN | DOT),
    family("xoxr-", Entity::SlackToken, 10, 255, TOKEN),
    family("xoxs-", Entity::SlackToken, 10, 255, TOKEN),
    family("xapp-", Entity::SlackToken, 10, 255, TOKEN),
];
static SMALL_R: &[Family] = &[
    family("rk_live_", Entity::StripeKey, 16, 255, ALNUM),
    family("rk_test_", Entity::StripeKey, 16, 255, ALNUM),
];

/// A key that its prefix gives away.
pub(super) fn prefixed(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let before = view.before(site.at);
    if is(before, ALNUM) {
        return None;
    }
    match view.byte(site.at) {
        b'e' if view.starts(site.at, "eyJ") => return jwt(site),
        b's' if view.starts(site.at, "sk-") => return sk(site),
        b'g' if view.starts(site.at, "github_pat_") => return github_pat(site),
        b'g' if view.starts(site.at, "glpat-") => return gitlab(site),
        b'b' if view.starts(site.at, "bce-v3/ALTAK-") => return bce(site),
        b'h' if view.starts(site.at, "http") => return webhook(site),
        b'A' if view.starts(site.at, "A") => {
            if let Some(found) = split_access_key(site) {
                return Some(found);
            }
        }
        _ => {}
    }
    for family in families(view.byte(site.at)) {
        if !view.starts(site.at, family.prefix) {
            continue;
        }
        let from = site.at + family.prefix.len();
        let end = view.run(from, family.set, family.max + 1);
        let n = end - from;
        if (family.min..=family.max).contains(&n) && !is(view.byte(end), ALNUM) {
            return key(site, family.entity, end);
        }
    }
    zhipu(site)
}

fn key(site: &Site<'_, '_>, entity: Entity, end: usize) -> Option<Found> {
    let text = site.view.slice(site.at, end);
    let dull = |body: &[u8]| {
        let first = body.first().copied().unwrap_or(0);
        let same = |&b: &u8| u8::from(b == first || matches!(b, b'x' | b'X' | b'*'));
        usize::from(body.iter().map(same).sum::<u8>()) * 2 > body.len()
    };
    let bytes = text.as_bytes();
    // Of a length that is known when compiled, nearly always.
    let dull = match bytes.last_chunk::<16>() {
        Some(body) => dull(body),
        None => dull(bytes),
    };
    let told = dull || says_example(text) || says_your(text);
    (!told).then(|| site.hit(entity, end, STRONG)).flatten()
}

/// `"AKIA" + "IOSF…"`, or with separators.
fn split_access_key(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !matches!(view.byte(site.at + 1), b'K' | b'S' | b'B' | b'C') {
        return None;
    }
    let code = site.code();
    let chars = code.first(20);
    let known = [b"AKIA", b"ASIA", b"ABIA", b"ACCA"]
        .iter()
        .any(|p| chars.starts_with(*p));
    let end = code.end(20);
    let text = view.slice(site.at, end);
    let upper = !text.bytes().any(|b| is(b, LOWER));
    (known
        && upper
        && code.gaps(20) > 0
        && code.gaps(20) <= 4
        && !is(view.byte(end), ALNUM)
        && chars.iter().any(|&c| is(c, DIGIT)))
    .then(|| site.hit(Entity::AwsAccessKey, end, STRONG))
    .flatten()
}

/// `sk-` of OpenAI, Anthropic, Stripe-likes and the Chinese vendors.
fn sk(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    for family in SMALL_SK {
        if view.starts(site.at, family.prefix) {
            let from = site.at + family.prefix.len();
            let end = view.run(from, family.set, family.max + 1);
            if (family.min..=family.max).contains(&(end - from)) {
                return key(site, family.entity, end);
            }
        }
    }
    let from = site.at + 3;
    let end = view.run(from, TOKEN, 200);
    let text = view.slice(from, end);
    if text.contains("T3BlbkFJ") && text.len() >= 40 {
        return key(site, Entity::OpenaiApiKey, end);
    }
    if text.len() == 32 && text.bytes().all(lower_hex) {
        return key(site, Entity::LlmApiKey, end);
    }
    // Moonshot and others: long, letters and digits.
    (text.len() >= 40 && text.bytes().all(alnum) && entropy(text) >= 4.0)
        .then(|| key(site, Entity::LlmApiKey, end))
        .flatten()
        .or_else(|| {
            (text.len() >= 32
                && text.bytes().all(alnum)
                && text.bytes().any(|b| is(b, DIGIT))
                && entropy(text) >= 3.6)
                .then(|| key(site, Entity::LlmApiKey, end))
                .flatten()
        })
}

fn github_pat(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let from = site.at + "github_pat_".len();
    let middle = view.run(from, ALNUM, 23);
    let end = view.run(middle + 1, ALNUM, 80);
    (middle - from == 22 && view.byte(middle) == b'_' && end - middle > 50)
        .then(|| key(site, Entity::GithubToken, end))
        .flatten()
}

fn gitlab(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let from = site.at + "glpat-".len();
    let end = view.run(from, TOKEN, 301);
    if end - from >= 27 && view.byte(end) == b'.' {
        let tail = view.run(end + 1, ALNUM, 10);
        // `glpat-….01.0abcdefgh`
        let stop = if view.byte(tail) == b'.' {
            view.run(tail + 1, ALNUM, 12)
        } else {
            tail
        };
        if stop - end > 9 {
            return key(site, Entity::GitlabToken, stop);
        }
    }
    ((20..=300).contains(&(end - from)))
        .then(|| key(site, Entity::GitlabToken, end))
        .flatten()
}

fn bce(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let from = site.at + "bce-v3/ALTAK-".len();
    let middle = view.run(from, ALNUM, 40);
    let end = view.run_of(middle + 1, 64, |b| b.is_ascii_hexdigit());
    ((15..=30).contains(&(middle - from)) && view.byte(middle) == b'/' && end - middle > 32)
        .then(|| key(site, Entity::BaiduApiKey, end))
        .flatten()
}

/// Zhipu: 32 hex, a dot, 16 letters and digits.
fn zhipu(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !lower_hex(view.byte(site.at)) {
        return None;
    }
    let middle = view.run_of(site.at, 33, lower_hex);
    if middle - site.at != 32 || view.byte(middle) != b'.' {
        return None;
    }
    let end = view.run(middle + 1, ALNUM, 17);
    (end - middle - 1 == 16)
        .then(|| key(site, Entity::LlmApiKey, end))
        .flatten()
}

fn segment(view: &View<'_>, at: usize, limit: usize) -> usize {
    view.run(at, TOKEN, limit)
}

/// A JSON web token whose header says how it is signed.
fn jwt(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let head = segment(view, site.at, 1024);
    if head - site.at < 11 || view.byte(head) != b'.' || !view.starts(head + 1, "eyJ") {
        return None;
    }
    let body = segment(view, head + 1, JWT_MAX - 2048);
    if body - head < 12 || view.byte(body) != b'.' {
        return None;
    }
    let end = segment(view, body + 1, 1024);
    if end - body < 11 {
        return None;
    }
    names_algorithm(view.slice(site.at, head))
        .then(|| site.hit(Entity::Jwt, end, STRONG))
        .flatten()
}

/// Whether the base64url header decodes to JSON with `alg`.
fn names_algorithm(header: &str) -> bool {
    let mut bytes = Vec::with_capacity(header.len());
    let (mut buffer, mut bits) = (0u32, 0u32);
    for b in header.bytes() {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return false,
        };
        buffer = (buffer << 6 | u32::from(v)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).unwrap_or(0));
        }
    }
    bytes.starts_with(b"{") && bytes.windows(5).any(|w| w == b"\"alg\"")
}

/// Chat robots' webhook addresses.
fn webhook(site: &Site<'_, '_>) -> Option<Found> {
    const HOOKS: [(&str, &str); 5] = [
        ("https://hooks.slack.com/services/", "T"),
        ("https://oapi.dingtalk.com/robot/send?access_token=", ""),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/", ""),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=", ""),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/", ""),
    ];
    let view = site.view;
    let (prefix, then) = HOOKS
        .iter()
        .find(|(prefix, _)| view.starts(site.at, prefix))?;
    let from = site.at + prefix.len();
    let end = view.run_of(from, 256, |b| token(b) || b == b'/');
    (end - from >= 16 && view.starts(from, then) && !site.cues().is(Cue::Name))
        .then(|| key(site, Entity::SlackToken, end))
        .flatten()
}
