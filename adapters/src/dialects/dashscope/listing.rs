//! Models as the vendor lists them: a page of `{model, name}`.

use bytes::Bytes;

use crate::places::{Listed, decoded};
use crate::weave::Weave;

/// One page with all of them, or, as the SDK asks for one, with the one that the query names.
pub(super) fn models(models: &[Listed<'_>], query: &str) -> Bytes {
    let mut asked = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("model="));
    let asked = asked.next().map(decoded);
    let listed = || {
        let wanted = |model: &&Listed<'_>| asked.as_deref().is_none_or(|name| name == model.id);
        models.iter().filter(wanted)
    };
    let mut weave = Weave::new();
    weave.lit("{\"output\":{\"total\":");
    weave.number(listed().count());
    weave.lit(",\"page_no\":1,\"page_size\":");
    weave.number(listed().count());
    weave.lit(",\"models\":[");
    for (at, one) in listed().enumerate() {
        weave.lit(if at == 0 {
            "{\"model\":"
        } else {
            ",{\"model\":"
        });
        weave.quoted(one.id);
        weave.lit(",\"name\":");
        weave.quoted(one.id);
        weave.lit("}");
    }
    weave.lit("]}}");
    weave.take().into_bytes()
}
