//! Models as Gemini lists them: `{models: [{name, displayName, supportedGenerationMethods, …}], nextPageToken}`.

use bytes::Bytes;

use crate::places::Listed;
use crate::weave::Weave;

/// Models on a page if nothing is said, and at most (the vendor's own numbers).
const PAGE: usize = 50;
const PAGE_MAX: usize = 1000;

/// One page of the list: `pageSize` and `pageToken` choose it. A token is the name of the last model before the page.
pub(super) fn models(models: &[Listed<'_>], query: &str) -> Bytes {
    let asked = |names: [&str; 2]| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| names.contains(key))?;
        Some(crate::places::decoded(value))
    };
    let size = asked(["pageSize", "page_size"]).and_then(|size| size.parse().ok());
    let size = match size {
        None | Some(0) => PAGE,
        Some(size) => usize::min(size, PAGE_MAX),
    };
    let token = asked(["pageToken", "page_token"]).unwrap_or_default();
    let from = models.partition_point(|one| one.id <= token.as_str());
    let rest = models.get(from..).unwrap_or_default();
    let page = rest.get(..size.min(rest.len())).unwrap_or_default();
    let mut weave = Weave::new();
    weave.lit("{\"models\":[");
    for (at, one) in page.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        write(&mut weave, one);
    }
    weave.lit("]");
    if let Some(last) = page.last().filter(|_| page.len() < rest.len()) {
        weave.lit(",\"nextPageToken\":");
        weave.quoted(last.id);
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
    weave.lit("{\"name\":");
    weave.quoted(&["models/", model.id].concat());
    weave.lit(",\"displayName\":");
    weave.quoted(model.id);
    weave.lit(",\"supportedGenerationMethods\":[\"generateContent\",\"countTokens\"]}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let all: Vec<Listed<'_>> = ["a", "b/c", "d", "e"]
            .iter()
            .map(|id| Listed {
                id,
                created: 1,
                filing: &[],
            })
            .collect();
        let page = |query: &str| {
            let page: serde_json::Value = serde_json::from_slice(&models(&all, query)).unwrap();
            let rows = page["models"].as_array().unwrap();
            let names = rows
                .iter()
                .map(|row| row["name"].as_str().unwrap().to_owned());
            let token = page["nextPageToken"].as_str().map(str::to_owned);
            (names.collect::<Vec<_>>(), token)
        };
        assert_eq!(page("").0.len(), 4);
        let (names, token) = page("pageSize=2&key=x");
        assert_eq!(names, ["models/a", "models/b/c"]);
        assert_eq!(token.as_deref(), Some("b/c"));
        let (names, token) = page("page_size=2&pageToken=b%2Fc");
        assert_eq!(
            (names.join(" "), token),
            ("models/d models/e".to_owned(), None)
        );
        assert_eq!(page("pageToken=z").0.len(), 0);
    }
}
