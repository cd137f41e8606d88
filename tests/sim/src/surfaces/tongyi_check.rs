//! What the native tongyi surface refuses, in the vendor's words. It must never read what is not there to be judged.

use super::read;
use super::tongyi_compatible::turn_order;
use crate::json::at;
use crate::plan::Ask;
use serde_json::Value;

/// Parts of the names of models that see or hear, and so live on the multimodal path.
const SENSES: [&str; 4] = ["vl", "omni", "qvq", "audio"];

pub(crate) fn is_multimodal(model: &str) -> bool {
    SENSES.iter().any(|word| model.contains(word))
}

/// Some models answer streams only; shared with the compatible surface.
pub(crate) fn streams_if_it_must(ask: &Ask) -> Result<(), String> {
    let must = ["qwq", "qvq", "omni"]
        .iter()
        .any(|word| ask.base.contains(word));
    if must && !ask.stream {
        return Err("This model only support stream mode, please enable the stream parameter to access the model.".into());
    }
    Ok(())
}

/// The error is the message; its code is always `InvalidParameter`.
pub(crate) fn check(body: &Value, ask: &Ask, multimodal: bool) -> Result<(), String> {
    let parameters = at(body, &["parameters"]);
    if multimodal != is_multimodal(&ask.base) {
        return Err("url error, please check url!".into());
    }
    turn_order(ask)?;
    streams_if_it_must(ask)?;
    let messages = at(body, &["input", "messages"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let wrong_content = |message: &Value| !multimodal && at(message, &["content"]).is_array();
    if messages.iter().any(wrong_content) {
        return Err("Input should be a valid string: input.messages.content".into());
    }
    let typed = |message: &Value| {
        let parts = at(message, &["content"])
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        parts.iter().any(|part| read::given(part, "type"))
    };
    if messages.iter().any(typed) {
        return Err(
            "Input should be one of text, image, audio, video: input.messages.content".into(),
        );
    }
    if !ask.tools.is_empty() && !ask.message_format {
        return Err("The 'result_format' must be set to 'message' when 'tools' is used".into());
    }
    if read::is_empty_list(at(parameters, &["tools"])) {
        return Err("[] is too short - 'tools'".into());
    }
    if *at(parameters, &["tool_choice"]) == "required" {
        return Err("The tool_choice parameter does not support being set to required".into());
    }
    if ask.think && at(parameters, &["tool_choice"]).is_object() {
        return Err(
            "The tool_choice parameter does not support being set to object in thinking mode"
                .into(),
        );
    }
    if read::outside(parameters, "n", |n| (1.0..=4.0).contains(&n)) {
        return Err("Range of n should be [1, 4]".into());
    }
    if ask.choices > 1 && (!ask.tools.is_empty() || ask.think) {
        return Err("Parameter n must be 1 when tools or thinking are used".into());
    }
    numbers(parameters)?;
    if ask.think && !ask.stream {
        return Err(
            "parameter.enable_thinking must be set to false for non-streaming calls".into(),
        );
    }
    if ask.think && !ask.incremental {
        return Err(
            "The incremental_output parameter of this model cannot be set to False.".into(),
        );
    }
    Ok(())
}

fn numbers(parameters: &Value) -> Result<(), String> {
    if read::outside(parameters, "temperature", |value| {
        (0.0..2.0).contains(&value)
    }) {
        return Err("Temperature should be in [0.0, 2.0)".into());
    }
    if read::outside(parameters, "top_p", |value| value > 0.0 && value <= 1.0) {
        return Err("Range of top_p should be (0.0, 1.0]".into());
    }
    if read::outside(parameters, "max_tokens", |value| value >= 1.0) {
        return Err("Range of max_tokens should be [1, 8192]".into());
    }
    if read::outside(parameters, "seed", |value| {
        (0.0..=2_147_483_647.0).contains(&value)
    }) {
        return Err("Range of seed should be [0, 2147483647]".into());
    }
    if read::outside(parameters, "presence_penalty", |value| {
        (-2.0..=2.0).contains(&value)
    }) {
        return Err("Range of presence_penalty should be [-2.0, 2.0]".into());
    }
    let stop = at(parameters, &["stop"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if stop.iter().any(Value::is_string) && !stop.iter().all(Value::is_string) {
        return Err("stop must not mix types".into());
    }
    Ok(())
}
