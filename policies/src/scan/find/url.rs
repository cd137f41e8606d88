//! URLs that carry a password: of databases, and all others.
//!
//! A database's URL is covered whole, another up to its host and port. Placeholders are no passwords.

use super::value::placeholder;
use crate::scan::entity::Entity;
use crate::scan::site::{Found, STRONG, Site};
use crate::scan::view::{ALNUM, DIGIT, View, is};

/// Longest URL that is read.
const URL_MAX: usize = 480;

const DATABASES: &[&str] = &[
    "mysql",
    "postgres",
    "postgresql",
    "mongodb",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "jdbc",
    "mssql",
    "sqlserver",
    "oracle",
    "mariadb",
    "clickhouse",
    "cockroachdb",
    "influxdb",
    "neo4j",
    "bolt",
    "cassandra",
    "db2",
    "dm",
    "kingbase8",
    "tidb",
    "oceanbase",
    "pulsar",
    "kafka",
    "nats",
    "memcached",
    "elasticsearch",
];

fn inside(b: u8) -> bool {
    b > b' ' && b < 0x7f && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b'`' | b'|')
}

/// Where the URL ends: punctuation of the sentence does not belong to it.
fn url_end(view: &View<'_>, from: usize, limit: usize) -> usize {
    let mut end = view.run_of(from, limit, inside);
    while end > from
        && matches!(
            view.before(end),
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b']' | b'}'
        )
    {
        end -= 1;
    }
    end
}

/// A URL with a user and a password, or a JDBC URL with a password parameter.
pub(super) fn credential(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let scheme_end = view.run_of(site.at, 24, |b| {
        is(b, ALNUM) || matches!(b, b'+' | b'-' | b'.')
    });
    if view.byte(scheme_end) != b':' || !site.clean_left() {
        return None;
    }
    // Most are the labels of something else: `phone: `.
    let jdbc = view
        .slice(site.at, scheme_end)
        .get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("jdbc"));
    if !jdbc && !view.starts(scheme_end, "://") {
        return None;
    }
    let scheme = view.slice(site.at, scheme_end).to_ascii_lowercase();
    let base = scheme.split('+').next().unwrap_or("");
    let mut at = scheme_end;
    if base == "jdbc" {
        at = view.run_of(scheme_end + 1, 24, |b| {
            is(b, ALNUM) || matches!(b, b'-' | b':')
        });
        at -= usize::from(view.before(at) == b':');
    }
    if !view.starts(at, "://") {
        return (base == "jdbc")
            .then(|| parameter(site, scheme_end))
            .flatten();
    }
    let authority = at + 3;
    let database = DATABASES.contains(&base);
    let end = view.run_of(authority, URL_MAX, |b| {
        inside(b) && !matches!(b, b'?' | b'#')
    });
    let text = view.slice(authority, end);
    // The password may hold `/` or `@`: the last at sign before the path's end counts.
    let host_at = text.find('/').map_or(text.rfind('@'), |slash| {
        text.get(..slash)
            .and_then(|a| a.rfind('@'))
            .or_else(|| text.rfind('@').filter(|_| database))
    });
    let Some(sign) = host_at else {
        return database.then(|| parameter(site, authority)).flatten();
    };
    let user = text.get(..sign)?;
    let (_, password) = user.split_once(':')?;
    if password.is_empty() || placeholder(password) {
        return None;
    }
    if database {
        return site.hit(Entity::DbUrl, url_end(view, authority, URL_MAX), STRONG);
    }
    let host = authority + sign + 1;
    let mut end = view.run_of(host, 253, |b| is(b, ALNUM) || matches!(b, b'.' | b'-'));
    while end > host && matches!(view.before(end), b'.' | b'-') {
        end -= 1;
    }
    if view.byte(end) == b':' && is(view.byte(end + 1), DIGIT) {
        end = view.run(end + 1, DIGIT, 5);
    }
    (end > host)
        .then(|| site.hit(Entity::UrlCredential, end, STRONG))
        .flatten()
}

/// `…?user=root&password=…`
fn parameter(site: &Site<'_, '_>, from: usize) -> Option<Found> {
    let end = url_end(site.view, from, URL_MAX);
    let text = site.view.slice(from, end);
    let lower = text.to_ascii_lowercase();
    let key = ["password=", "pwd=", "passwd="]
        .iter()
        .find_map(|k| lower.find(k).map(|i| i + k.len()))?;
    let value = text.get(key..)?.split(['&', ';']).next().unwrap_or("");
    (!value.is_empty() && !placeholder(value))
        .then(|| site.hit(Entity::DbUrl, end, STRONG))
        .flatten()
}
