//! Models as OpenAI lists them: `{object, data: [{id, object, created, owned_by}]}`.

use bytes::Bytes;
use wire::canon::Str;

use crate::places::Listed;
use crate::weave::Weave;

/// The whole list: this dialect has no pages.
pub(super) fn models(models: &[Listed<'_>]) -> Bytes {
    let mut weave = Weave::new();
    weave.lit(r#"{"object":"list","data":["#);
    for (at, one) in models.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        write(&mut weave, one);
    }
    weave.lit("]}");
    weave.take().into_bytes()
}

/// One model.
pub(super) fn model(model: &Listed<'_>) -> Bytes {
    let mut weave = Weave::new();
    write(&mut weave, model);
    weave.take().into_bytes()
}

fn write(weave: &mut Weave, model: &Listed<'_>) {
    weave.lit("{\"id\":");
    weave.quoted(model.id);
    weave.lit(r#","object":"model","created":"#);
    weave.number(model.created);
    weave.lit(r#","owned_by":"yumen""#);
    if !model.filing.is_empty() {
        let filing: Vec<Str> = model.filing.iter().map(|one| Str::escaped(one)).collect();
        weave.lit(",\"filing\":");
        super::encode_request::write_list(weave, &filing);
    }
    weave.lit("}");
}
