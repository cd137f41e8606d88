//! Models as Anthropic lists them: `{data: [{type, id, display_name, created_at, lifecycle}], has_more, first_id, last_id}`.

use bytes::Bytes;

use crate::calendar;
use crate::places::Listed;
use crate::weave::Weave;

/// Models on a page if nothing is said, and at most (the vendor's own numbers).
const PAGE: usize = 20;
const PAGE_MAX: usize = 1000;

/// One page of the list: `limit`, `after_id` and `before_id` choose it.
pub(super) fn models(models: &[Listed<'_>], query: &str) -> Bytes {
    let asked = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| crate::places::decoded(value))
            .next()
    };
    let limit = asked("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let place = |id: &str| models.iter().position(|one| one.id == id);
    let from = asked("after_id")
        .and_then(|id| place(&id))
        .map_or(0, |at| at + 1);
    let to = asked("before_id")
        .and_then(|id| place(&id))
        .unwrap_or(models.len());
    let span = models.get(from..to.max(from)).unwrap_or_default();
    // Backwards from `before_id` the page is the last of what is before it.
    let backwards = asked("before_id").is_some();
    let skipped = if backwards {
        span.len().saturating_sub(limit)
    } else {
        0
    };
    let page = span.get(skipped..).unwrap_or_default();
    let page = page.get(..limit.min(page.len())).unwrap_or_default();
    let mut weave = Weave::new();
    weave.lit("{\"data\":[");
    for (at, one) in page.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        write(&mut weave, one);
    }
    weave.lit("],\"has_more\":");
    weave.number(page.len() < span.len());
    for (name, one) in [("first_id", page.first()), ("last_id", page.last())] {
        weave.lit(",\"");
        weave.lit(name);
        weave.lit("\":");
        match one {
            Some(one) => weave.quoted(one.id),
            None => weave.lit("null"),
        }
    }
    weave.lit("}");
    weave.take().into_bytes()
}

/// One model.
pub(super) fn model(model: &Listed<'_>) -> Bytes {
    let mut weave = Weave::new();
    write(&mut weave, model);
    weave.take().into_bytes()
}

fn write(weave: &mut Weave, model: &Listed<'_>) {
    weave.lit("{\"type\":\"model\",\"id\":");
    weave.quoted(model.id);
    weave.lit(",\"display_name\":");
    weave.quoted(model.id);
    weave.lit(",\"created_at\":");
    weave.quoted(&calendar::iso8601(model.created.saturating_mul(1000)));
    weave.lit(",\"lifecycle\":\"active\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> (Vec<String>, bool) {
        let ids = ["a", "b/c", "d", "e"];
        let all: Vec<Listed<'_>> = ids
            .iter()
            .map(|id| Listed {
                id,
                created: 1_735_689_600,
                filing: &[],
            })
            .collect();
        let page: serde_json::Value = serde_json::from_slice(&models(&all, query)).unwrap();
        let rows = page["data"].as_array().unwrap();
        assert!(
            rows.iter()
                .all(|row| row["created_at"] == "2025-01-01T00:00:00Z")
        );
        assert_eq!(
            page["first_id"],
            rows.first()
                .map_or(serde_json::Value::Null, |row| row["id"].clone())
        );
        let ids = rows
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned());
        (ids.collect(), page["has_more"].as_bool().unwrap())
    }

    #[test]
    fn pages() {
        let check = |query: &str, ids: &[&str], more: bool| {
            let (got, has_more) = page(query);
            assert_eq!(
                (got.iter().map(|id| &**id).collect::<Vec<_>>(), has_more),
                (ids.to_vec(), more),
                "{query}"
            );
        };
        check("", &["a", "b/c", "d", "e"], false);
        check("limit=1000", &["a", "b/c", "d", "e"], false);
        check("limit=2", &["a", "b/c"], true);
        check("limit=2&after_id=b%2Fc", &["d", "e"], false);
        check("limit=1&before_id=d", &["b/c"], true);
        check("limit=0&after_id=e", &[], false);
    }
}
