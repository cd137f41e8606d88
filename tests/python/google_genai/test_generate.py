"""generateContent by the official SDK: whole and streamed, tools, thoughts, schemas, errors, counting, models."""

import pydantic
import pytest
from google.genai import errors, types

WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="weather of a city",
            parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]),
        )
    ]
)


def by_hand(**more):
    """Calls are answered by the test, not by the SDK."""
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(tools=[WEATHER], automatic_function_calling=off, **more)


def test_a_whole_reply(client, vendor):
    reply = client.models.generate_content(model=vendor, contents="你好,世界 🌏")
    assert "你好,世界 🌏" in reply.text
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP
    usage = reply.usage_metadata
    assert usage.prompt_token_count > 0 and usage.candidates_token_count > 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert reply.response_id and reply.model_version


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize("ending", ["", "@split:1", "@piece:1"])
def test_a_stream(connect, vendor, version, ending):
    client = connect(api_version=version)
    chunks = list(client.models.generate_content_stream(model=vendor + ending, contents="你好,世界 🌏"))
    assert len(chunks) > 3
    assert "你好,世界 🌏" in "".join(chunk.text or "" for chunk in chunks)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.total_token_count > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_there_and_back(client, vendor, streamed):
    def say(contents):
        fields = {"model": vendor, "contents": contents, "config": by_hand()}
        if not streamed:
            return client.models.generate_content(**fields).candidates[0].content.parts
        chunks = client.models.generate_content_stream(**fields)
        return [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]

    contents = [types.Content(role="user", parts=[types.Part(text="two weather reports")])]
    parts = say(contents)
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args["city"] for call in calls] == ["北京", "上海"]
    contents.append(types.Content(role="model", parts=[part for part in parts if part.function_call or part.text]))
    answers = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": "21 celsius"}))
        for call in calls
    ]
    contents.append(types.Content(role="user", parts=answers))
    assert "21 celsius" in "".join(part.text or "" for part in say(contents))


def test_tools_are_called_by_the_sdk_itself(client, vendor):
    asked = []

    def get_weather(city: str) -> str:
        """Weather of a city."""
        asked.append(city)
        return "21 celsius"

    config = types.GenerateContentConfig(tools=[get_weather])
    reply = client.models.generate_content(model=vendor, contents="the weather?", config=config)
    assert asked == ["北京"] and "21 celsius" in reply.text


def test_a_conversation(client, vendor):
    chat = client.chats.create(model=vendor, config=types.GenerateContentConfig(system_instruction="be brief"))
    assert "first" in chat.send_message("first").text
    assert "second" in "".join(chunk.text or "" for chunk in chat.send_message_stream("second"))
    assert [content.role for content in chat.get_history()][:3] == ["user", "model", "user"]


@pytest.mark.parametrize("shown", [False, True])
def test_thoughts_come_to_whom_asked(client, vendor, shown):
    config = types.GenerateContentConfig(
        max_output_tokens=4000, thinking_config=types.ThinkingConfig(include_thoughts=shown, thinking_budget=1024)
    )
    reply = client.models.generate_content(model=vendor, contents="reasoning please", config=config)
    thoughts = [part for part in reply.candidates[0].content.parts if part.thought]
    # What its own vendor shows unasked is its own affair.
    assert bool(thoughts) == shown or (vendor == "gemini" and not shown)
    assert "reasoning please" in reply.text
    # One of them does not count them apart.
    assert (reply.usage_metadata.thoughts_token_count or 0) > 0 or vendor == "wenxin"


class Recipe(pydantic.BaseModel):
    name: str
    minutes: int


def test_a_schema_arrives(client, sim, vendor):
    mark = f"schema-of-{vendor}"
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Recipe, temperature=0.3)
    client.models.generate_content(model=vendor, contents=mark, config=config)
    sent = sim.all(mark)[-1]["body"]
    assert "0.3" in sent
    assert "minutes" in sent or vendor in ("tongyi", "wenxin")


def test_pictures(client, sim):
    parts = [types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png"), types.Part(text="picture-mark")]
    for vendor in ("gemini", "anthropic"):
        client.models.generate_content(model=vendor, contents=[types.Content(role="user", parts=parts)])
    assert all("iVBORw0KGgo=" in request["body"] for request in sim.all("picture-mark"))


def test_errors(client, connect, vendor):
    def fails(kind, code, status, model, by=client):
        with pytest.raises(kind) as caught:
            by.models.generate_content(model=model, contents="hi")
        assert (caught.value.code, caught.value.status) == (code, status)
        with pytest.raises(kind) as caught:
            list(by.models.generate_content_stream(model=model, contents="hi"))
        assert (caught.value.code, caught.value.status) == (code, status)
        return caught.value

    fails(errors.ClientError, 404, "NOT_FOUND", "no-such-model")
    fails(errors.ClientError, 401, "UNAUTHENTICATED", vendor, connect("ym-wrong"))
    fails(errors.ClientError, 403, "PERMISSION_DENIED", "gemini", connect("ym-narrow"))
    fails(errors.ServerError, 500, "INTERNAL", f"{vendor}@status:500")
    fails(errors.ServerError, 500, "INTERNAL", f"{vendor}@html")
    limited = fails(errors.ClientError, 429, "RESOURCE_EXHAUSTED", f"{vendor}@status:429@retryafter:3")
    assert limited.response.headers["retry-after"] == "3"
    assert limited.details["error"]["details"][0]["reason"] == "rate_limit_exceeded"
    assert limited.details["error"]["details"][1]["retryDelay"] == "3s"


@pytest.mark.parametrize("ending", ["@errorevent:4@gap:20", "@cutevent:4@gap:20"])
def test_errors_in_mid_stream(client, vendor, ending):
    chunks = []
    with pytest.raises(errors.ServerError) as caught:
        for chunk in client.models.generate_content_stream(model=vendor + ending, contents="你好,世界 你好,世界"):
            chunks.append(chunk)
    assert chunks and caught.value.code == 500
    assert caught.value.details["error"]["details"][0]["reason"] == "upstream_error"


def test_counting(client, vendor):
    assert client.models.count_tokens(model=vendor, contents="hello " * 50).total_tokens > 50


def test_models(client, connect):
    names = [model.name for model in client.models.list(config={"page_size": 3, "query_base": True})]
    assert {"models/gemini", "models/tongyi", "models/wenxin"} <= set(names) and names == sorted(names)
    assert client.models.get(model="tongyi").name == "models/tongyi"
    narrow = connect("ym-narrow").models.list(config={"query_base": True})
    assert [model.name for model in narrow] == ["models/tongyi"]
    with pytest.raises(errors.ClientError) as caught:
        client.models.get(model="none")
    assert caught.value.code == 404


def test_its_own_vendor_gets_what_the_client_said(client, sim):
    mark = "mark-of-what-passes"
    config = types.GenerateContentConfig(
        top_k=7, safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")]
    )
    client.models.generate_content(model="gemini", contents=mark, config=config)
    request = sim.one(mark)
    assert '"topK"' in request["body"] and "BLOCK_NONE" in request["body"]
    headers = {name.lower() for name in dict(request["headers"])}
    assert "x-goog-api-key" in headers and "authorization" not in headers


def test_vectors(client):
    # The last of them makes vectors too, of whichever model.
    for vendor in ("gemini", "tongyi"):
        config = types.EmbedContentConfig(output_dimensionality=8, task_type="RETRIEVAL_QUERY")
        contents = [types.Content(parts=[types.Part(text=text)]) for text in ("one", "two")]
        reply = client.models.embed_content(model=vendor, contents=contents, config=config)
        assert [len(one.values) for one in reply.embeddings] == [8, 8]
        assert reply.embeddings[0].values != reply.embeddings[1].values
