"""Responses and completions by the official SDK: whole and streamed, tools, formats, thoughts, errors.

Before the dialect's own vendor, one of Anthropic's dialect, two with native protocols and a runtime; a gateway of its own
with one model for each of them and each ending.
"""

import json

import openai
import pydantic
import pytest
from chat import KEY
from support import Gateway, hash_of

VENDORS = {
    "openai": ("/openai/v1", "gpt-4o"),
    "anthropic": ("/anthropic", "claude-3-7-sonnet-sim"),
    "tongyi": ("/api/v1", "qwen-plus"),
    "wenxin": ("/v2", "ernie-4.0-turbo-8k"),
    "vllm": ("/vllm/v1", "local-model"),
}
ENDINGS = ["", "@piece:1", "@split:1", "@status:500", "@status:429@retryafter:3", "@errorevent:6@gap:30", "@cutevent:6@gap:30"]
TEXT = "你好,世界 🌏"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    "strict": True,
}


@pytest.fixture(scope="module")
def many(sim, tmp_path_factory):
    providers, models = {}, {"thinker": {"targets": [{"provider": "openai", "model": "gpt-5-mini"}]}}
    for vendor, (path, model) in VENDORS.items():
        providers[vendor] = {"vendor": vendor, "base_url": sim.url + path, "api_key": "sk-fake-0001", "clearance": "internal"}
        for ending in ENDINGS:
            models[f"{vendor}{ending}"] = {"lossy": "drop", "targets": [{"provider": vendor, "model": model + ending}]}
    keys = [{"id": "tester", "hash": hash_of(KEY)}, {"id": "narrow", "hash": hash_of("ym-narrow"), "models": ["vllm"]}]
    started = Gateway({"providers": providers, "models": models, "keys": keys}, tmp_path_factory.mktemp("responses"))
    yield started
    started.close()


@pytest.fixture
def client(many):
    with openai.OpenAI(api_key=KEY, base_url=f"{many.url}/v1", max_retries=0, timeout=30) as made:
        yield made


@pytest.fixture(params=VENDORS)
def vendor(request):
    return request.param


def calls_of(response):
    return [item for item in response.output if item.type == "function_call"]


def test_a_whole_response(client, vendor):
    response = client.responses.create(model=vendor, instructions="be kind", input=TEXT, metadata={"k": "v"})
    assert TEXT in response.output_text
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert response.id.startswith("resp_") and response.usage.input_tokens > 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response._request_id


@pytest.mark.parametrize("ending", ["", "@piece:1", "@split:1"])
def test_a_stream(client, vendor, ending):
    with client.responses.stream(model=vendor + ending, input=TEXT) as stream:
        events = list(stream)
        response = stream.get_final_response()
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(pieces) > 3 and "".join(pieces) == response.output_text
    assert TEXT in response.output_text
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    numbers = [event.sequence_number for event in events if event.type != "response.completed"]
    assert numbers == list(range(len(numbers)))


def test_a_cut_response_is_incomplete(client, vendor):
    for stream in (False, True):
        response = client.responses.create(model=vendor, input="一二三四五六七八九十", max_output_tokens=4, stream=stream)
        if stream:
            last = list(response)[-1]
            assert last.type == "response.incomplete"
            response = last.response
        assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_there_and_back(client, vendor, streamed):
    def say(items):
        fields = {"model": vendor, "input": items, "tools": [WEATHER]}
        if not streamed:
            return client.responses.create(**fields)
        with client.responses.stream(**fields) as stream:
            return stream.get_final_response()

    items = [{"role": "user", "content": "two weather reports"}]
    response = say(items)
    calls = calls_of(response)
    assert calls and all(json.loads(call.arguments)["city"] for call in calls)
    assert len({call.call_id for call in calls}) == len(calls)
    # As the SDK's documentation has it: all that came goes back.
    items += response.to_dict()["output"]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "21 celsius 晴"} for call in calls]
    assert "21 celsius 晴" in say(items).output_text


@pytest.mark.parametrize("model", ["thinker", "anthropic"])
def test_thoughts_go_round(client, model):
    items = [{"role": "user", "content": "weather?"}]
    fields = {"model": model, "tools": [WEATHER], "reasoning": {"effort": "high"}, "max_output_tokens": 500}
    with client.responses.stream(input=items, **fields) as stream:
        response = stream.get_final_response()
    thoughts = [item for item in response.output if item.type == "reasoning"]
    assert thoughts and all(thought.encrypted_content for thought in thoughts)
    items += response.to_dict()["output"]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls_of(response)]
    assert client.responses.create(input=items, **fields).status == "completed"


class Place(pydantic.BaseModel):
    city: str


@pytest.mark.parametrize("model", ["openai", "vllm"])
def test_a_format_arrives_in_the_vendors_words(client, sim, mark, model):
    # The simulated model echoes and keeps to no schema: the SDK fails to read its answer as one.
    with pytest.raises(pydantic.ValidationError):
        client.responses.parse(model=model, input=f"hi {mark}", text_format=Place)
    body = json.loads(sim.one(mark)["body"])
    format = body["text"]["format"] if model == "openai" else body["response_format"]["json_schema"]
    assert (format["name"], format["schema"]["required"]) == ("Place", ["city"])


@pytest.mark.parametrize("ending", ["@errorevent:6@gap:30", "@cutevent:6@gap:30"])
def test_an_error_in_mid_stream(client, vendor, ending):
    stream = client.responses.create(model=vendor + ending, input="one two three four five six seven", stream=True)
    try:
        last = list(stream)[-1]
    except openai.APIError as error:
        assert vendor == "openai" and error.code == "upstream_error"
    else:
        assert (last.type, last.response.error.code) == ("response.failed", "upstream_error")


def test_errors_before_the_beginning(client, many):
    for ending, kind in (("@status:500", openai.InternalServerError), ("@status:429@retryafter:3", openai.RateLimitError)):
        for stream in (False, True):
            with pytest.raises(kind):
                client.responses.create(model=f"anthropic{ending}", input="hi", stream=stream)
    for fields, kind in (
        ({"model": "nobody", "input": "hi"}, openai.NotFoundError),
        ({"model": "openai", "input": []}, openai.BadRequestError),
        ({"model": "openai", "input": "hi", "previous_response_id": "resp_1"}, openai.NotFoundError),
        ({"model": "openai", "input": "hi", "background": True}, openai.BadRequestError),
    ):
        with pytest.raises(kind) as caught:
            client.responses.create(**fields)
        assert caught.value.code in ("invalid_request", "model_not_found")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_1")
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key="ym-narrow").responses.create(model="openai", input="hi")


def test_a_completion(client, vendor):
    whole = client.completions.create(model=vendor, prompt=TEXT)
    assert TEXT in whole.choices[0].text
    assert (whole.object, whole.choices[0].finish_reason) == ("text_completion", "stop")
    assert whole.usage.total_tokens > 0
    for ending in ("", "@piece:1", "@split:1"):
        chunks = list(client.completions.create(model=vendor + ending, prompt=TEXT, stream=True, stream_options={"include_usage": True}))
        assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
        assert chunks[-1].usage.total_tokens > 0


def test_what_only_a_runtime_completes(client):
    both = client.completions.create(model="vllm", prompt=["a", "b"], n=2, echo=True, logprobs=1)
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    assert both.choices[0].logprobs.tokens and both.choices[0].text.startswith("b")
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="anthropic", prompt=["a", "b"])
    assert caught.value.param == "prompt"
