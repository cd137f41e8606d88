//! The places: bodies with a mark where the value goes.

use tests::*;

/// The mark.
pub(crate) const V: &str = "@@VALUE@@";

/// A place where text can stand.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    /// Members of the body.
    pub(crate) body: Value,
    /// The value is a bare number.
    pub(crate) number: bool,
    /// The value stands in a file in base64.
    pub(crate) file: bool,
    /// The simulated model repeats it.
    pub(crate) echoed: bool,
}

fn at(name: &'static str, body: Value) -> Place {
    Place {
        name,
        body,
        number: false,
        file: false,
        echoed: false,
    }
}

fn number(name: &'static str, body: Value) -> Place {
    Place {
        number: true,
        ..at(name, body)
    }
}

fn file(name: &'static str, body: Value) -> Place {
    Place {
        file: true,
        ..at(name, body)
    }
}

fn user(name: &'static str, content: Value) -> Place {
    at(
        name,
        json!({"messages": [{"role": "user", "content": content}]}),
    )
}

/// An assistant's call, and its result.
fn call(name: &'static str, id: &str, function: &str, arguments: &str, result: Value) -> Place {
    let call = json!({"id": id, "type": "function", "function": {"name": function, "arguments": arguments}});
    at(
        name,
        json!({"messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": id, "content": result},
        ]}),
    )
}

fn tool(name: &'static str, function: Value) -> Place {
    at(
        name,
        json!({"tools": [{"type": "function", "function": function}]}),
    )
}

fn with_properties(name: &'static str, properties: Value) -> Place {
    tool(
        name,
        json!({"name": "f", "description": "d", "parameters": {"type": "object", "properties": properties}}),
    )
}

pub(crate) fn places() -> Vec<Place> {
    let mut all = messages();
    all.extend(calls());
    all.extend(tools());
    all.extend(fields());
    all.extend(numbers());
    all
}

fn messages() -> Vec<Place> {
    let said = |role: &str| json!({"messages": [{"role": role, "content": format!("联系 {V} 即可")}, {"role": "user", "content": "hello"}]});
    let text = |text: String| json!({"type": "text", "text": text});
    let echoed = |place: Place| Place {
        echoed: true,
        ..place
    };
    vec![
        echoed(user("user", format!("请联系 {V} 谢谢").into())),
        echoed(user("user, twice", format!("{V} or {V}").into())),
        echoed(user(
            "user, in parts",
            json!([text("see".into()), text(format!("reach {V} now"))]),
        )),
        echoed(user("user, alone", V.into())),
        user(
            "user, a list of strings in it",
            json!([text(format!("[\"{V}\"]").replace('"', "'"))]),
        ),
        at("system", said("system")),
        at("developer", said("developer")),
        at(
            "assistant",
            json!({"messages": [
                {"role": "user", "content": "hello"}, {"role": "assistant", "content": format!("it is {V}")}, {"role": "user", "content": "yes"},
            ]}),
        ),
        at(
            "assistant's reasoning",
            json!({"messages": [
                {"role": "user", "content": "hello"}, {"role": "assistant", "content": "ok", "reasoning_content": format!("is it {V}?")}, {"role": "user", "content": "yes"},
            ]}),
        ),
        at(
            "assistant's refusal",
            json!({"messages": [
                {"role": "user", "content": "hello"}, {"role": "assistant", "content": "no", "refusal": format!("not {V}")}, {"role": "user", "content": "yes"},
            ]}),
        ),
        at(
            "name",
            json!({"messages": [{"role": "user", "name": V, "content": "hello"}]}),
        ),
        at(
            "an unknown member of a message",
            json!({"messages": [{"role": "user", "content": "hello", "x_note": {"deep": [V]}}]}),
        ),
        at(
            "an unknown key of a message",
            json!({"messages": [{"role": "user", "content": "hello", "x": {V: 1}}]}),
        ),
        at(
            "a member called as an inert one, in a message",
            json!({"messages": [{"role": "user", "content": "hello", "x": {"role": V, "model": V}}]}),
        ),
        at(
            "a message's model",
            json!({"messages": [{"role": "user", "content": "hello", "model": V}]}),
        ),
        number(
            "a message's seed",
            json!({"messages": [{"role": "user", "content": "hello", "seed": V}]}),
        ),
        user(
            "an unknown part",
            json!([text("hi".into()), {"type": "note", "note": {"body": V}}]),
        ),
        user(
            "a refusal part",
            json!([text("hi".into()), {"type": "refusal", "refusal": V}]),
        ),
        user(
            "the address of an image",
            json!([text("hi".into()), {"type": "image_url", "image_url": {"url": format!("https://cdn.example/a.png?phone={V}"), "detail": "low"}}]),
        ),
        user(
            "the detail of an image",
            json!([text("hi".into()), {"type": "image_url", "image_url": {"url": "https://cdn.example/a.png", "detail": V}}]),
        ),
        user(
            "the name of a file",
            json!([text("hi".into()), {"type": "file", "file": {"filename": format!("{V} report.txt"), "file_id": "f-1"}}]),
        ),
        user(
            "the id of a file",
            json!([text("hi".into()), {"type": "file", "file": {"file_id": V}}]),
        ),
        file(
            "a text file as a data URL",
            json!({"messages": [{"role": "user", "content": [
                text("hi".into()), {"type": "file", "file": {"filename": "a.csv", "file_data": format!("data:text/csv;base64,{V}")}},
            ]}]}),
        ),
        file(
            "a text file with parameters",
            json!({"messages": [{"role": "user", "content": [
                text("hi".into()), {"type": "file", "file": {"filename": "a.txt", "file_data": format!("data:text/plain;charset=utf-8;base64,{V}")}},
            ]}]}),
        ),
        user(
            "a data URL that is not in base64",
            json!([text("hi".into()), {"type": "file", "file": {"file_data": format!("data:text/plain,call {V}")}}]),
        ),
        user(
            "the format of sound",
            json!([text("hi".into()), {"type": "input_audio", "input_audio": {"data": "AAAA", "format": V}}]),
        ),
    ]
}

fn calls() -> Vec<Place> {
    let ok = || json!("ok");
    vec![
        call("a call's id", V, "f", "{}", ok()),
        call("a call's name", "c-1", V, "{}", ok()),
        call(
            "arguments",
            "c-1",
            "f",
            &format!("{{\"phone\": \"{V}\"}}"),
            ok(),
        ),
        call(
            "arguments, deep",
            "c-1",
            "f",
            &format!("{{\"a\": {{\"b\": [1, {{\"c\": \"{V}\"}}]}}}}"),
            ok(),
        ),
        call(
            "arguments, a key",
            "c-1",
            "f",
            &format!("{{\"{V}\": true}}"),
            ok(),
        ),
        call(
            "arguments, JSON in JSON",
            "c-1",
            "f",
            &json!({"inner": json!({"phone": V}).to_string()}).to_string(),
            ok(),
        ),
        call(
            "arguments that are no JSON",
            "c-1",
            "f",
            &format!("phone={V}"),
            ok(),
        ),
        call(
            "a tool's result",
            "c-1",
            "f",
            "{}",
            json!(format!("found {V}")),
        ),
        call(
            "a tool's result, JSON in it",
            "c-1",
            "f",
            "{}",
            json!(json!({"rows": [{"phone": V}]}).to_string()),
        ),
        call(
            "a tool's result, in parts",
            "c-1",
            "f",
            "{}",
            json!([{"type": "text", "text": format!("found {V}")}]),
        ),
        at(
            "an old function's result",
            json!({"messages": [{"role": "user", "content": "hello"}, {"role": "function", "name": "f", "content": V}]}),
        ),
        at(
            "an old function call",
            json!({"messages": [
                {"role": "user", "content": "hello"}, {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": format!("{{\"p\":\"{V}\"}}")}},
                {"role": "user", "content": "go on"},
            ]}),
        ),
    ]
}

fn tools() -> Vec<Place> {
    vec![
        tool(
            "a tool's description",
            json!({"name": "f", "description": format!("calls {V}"), "parameters": {"type": "object"}}),
        ),
        tool(
            "a tool's name",
            json!({"name": V, "parameters": {"type": "object"}}),
        ),
        with_properties("a property's name", json!({V: {"type": "string"}})),
        with_properties(
            "a property's description",
            json!({"p": {"type": "string", "description": V}}),
        ),
        with_properties(
            "an enum's value",
            json!({"p": {"type": "string", "enum": ["a", V]}}),
        ),
        with_properties("a default", json!({"p": {"type": "string", "default": V}})),
        with_properties(
            "an example called as an inert member",
            json!({"p": {"type": "object", "examples": [{"role": V, "model": V, "seed": V}]}}),
        ),
        tool(
            "a required name",
            json!({"name": "f", "parameters": {"type": "object", "properties": {"p": {"type": "string"}}, "required": [V]}}),
        ),
        at(
            "the chosen tool",
            json!({"tools": [{"type": "function", "function": {"name": V, "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": V}}}),
        ),
        at(
            "an unknown kind of tool",
            json!({"tools": [{"type": "web_search", "web_search": {"query": V}}]}),
        ),
        at(
            "an old function",
            json!({"functions": [{"name": "f", "description": V, "parameters": {"type": "object"}}]}),
        ),
    ]
}

fn fields() -> Vec<Place> {
    vec![
        at("user field", json!({"user": V})),
        at("safety identifier", json!({"safety_identifier": V})),
        at("cache key", json!({"prompt_cache_key": V})),
        at("metadata", json!({"metadata": {"who": V}})),
        at("metadata, a key", json!({"metadata": {V: "yes"}})),
        at(
            "metadata called as inert members",
            json!({"metadata": {"model": V, "role": V, "n": V, "seed": V, "temperature": V}}),
        ),
        at(
            "a role",
            json!({"messages": [{"role": V, "content": "hello"}]}),
        ),
        at(
            "a part's type",
            json!({"messages": [{"role": "user", "content": [{"type": V, "text": "hello"}]}]}),
        ),
        at("an effort", json!({"reasoning_effort": V})),
        at(
            "a choice of tools",
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "tool_choice": V}),
        ),
        at(
            "the type of a schema",
            json!({"response_format": {"type": V}}),
        ),
        at(
            "metadata called as media",
            json!({"metadata": {"data": format!("call {V}"), "file_data": V, "b64_json": V}}),
        ),
        at("a seed that is no number", json!({"seed": V})),
        at("an unknown field", json!({"x_extra": V})),
        at(
            "an unknown field, deep",
            json!({"x": {"y": [[{"z": [V]}]]}}),
        ),
        at("an unknown field, a key", json!({"x": {"y": {V: {V: 1}}}})),
        at("an unknown field's own name", json!({V: 1})),
        at("stop", json!({"stop": V})),
        at("stop, a list", json!({"stop": ["x", V]})),
        at(
            "a response format's schema",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {V: {"const": V}}}}}}),
        ),
        at(
            "a response format's name",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": V, "schema": {"type": "object"}}}}),
        ),
        at(
            "prediction",
            json!({"prediction": {"type": "content", "content": format!("dear {V}")}}),
        ),
        at(
            "prediction, in parts",
            json!({"prediction": {"type": "content", "content": [{"type": "text", "text": V}]}}),
        ),
        at(
            "the place of a web search",
            json!({"web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": V}}}}),
        ),
        at(
            "a voice",
            json!({"modalities": ["text", "audio"], "audio": {"voice": V, "format": "wav"}}),
        ),
        at("logit bias", json!({"logit_bias": {V: 1}})),
    ]
}

fn numbers() -> Vec<Place> {
    vec![
        number("metadata, a number", json!({"metadata": {"phone": V}})),
        number(
            "an unknown field, a number",
            json!({"x": {"phone": [V, 1]}}),
        ),
        number(
            "an example, a number",
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"p": {"type": "integer", "default": V}}}}}]}),
        ),
        Place {
            number: false,
            ..at(
                "arguments, a bare number",
                json!({"messages": [
                    {"role": "user", "content": "hello"},
                    {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": format!("{{\"phone\": {V}, \"n\": 1}}")}}]},
                    {"role": "tool", "tool_call_id": "c", "content": "ok"},
                ]}),
            )
        },
    ]
}
