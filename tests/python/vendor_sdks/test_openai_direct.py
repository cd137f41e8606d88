"""openai against every surface of its shape."""

import openai
import pytest
from support import GLM_KEY, TOOLS

USER = [{"role": "user", "content": "你好 hello"}]
SURFACES = {
    "openai": "/openai/v1",
    "wenxin": "/v2",
    "tongyi-compatible": "/compatible-mode/v1",
    "glm": "/api/paas/v4",
    "deepseek": "/deepseek/v1",
    "vllm": "/vllm/v1",
    "llamacpp": "/llamacpp/v1",
    "ollama": "/ollama/v1",
}


@pytest.fixture(params=SURFACES)
def surface(request):
    return request.param


@pytest.fixture
def client(sim_url, surface):
    return openai.OpenAI(api_key=GLM_KEY, base_url=sim_url + SURFACES[surface], max_retries=0)


def create(client, messages=USER, model="m", **more):
    return client.chat.completions.create(model=model, messages=messages, **more)


def test_whole(client):
    reply = create(client)
    assert reply.choices[0].message.content.endswith("simulated] 你说:你好 hello")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_stream(client):
    whole = create(client)
    chunks = list(create(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [whole.usage.total_tokens]
    assert len({chunk.id for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]


def test_tools_through_the_stream_helper(client, surface):
    messages = [{"role": "user", "content": "weather of two cities"}]
    more = {} if surface in ("glm", "ollama") else {"parallel_tool_calls": True}
    expected = ['{"city":"北京"}', '{"city":"上海"}']
    whole = create(client, messages, tools=TOOLS, **more).choices[0]
    assert whole.finish_reason == "tool_calls"
    assert [call.function.arguments for call in whole.message.tool_calls] == expected
    if surface != "glm":  # its chunks have no `object`, and the helper skips such chunks
        with client.chat.completions.stream(model="m", messages=messages, tools=TOOLS, **more) as stream:
            final = stream.get_final_completion().choices[0]
        assert [call.function.arguments for call in final.message.tool_calls] == expected
        assert [call.function.name for call in final.message.tool_calls] == ["get_weather"] * 2
        assert len({call.id for call in final.message.tool_calls}) == 2

    answered = [
        *messages,
        {"role": "assistant", "content": None, "tool_calls": [c.model_dump() for c in whole.message.tool_calls]},
        *({"role": "tool", "tool_call_id": c.id, "content": "晴"} for c in whole.message.tool_calls),
    ]
    assert create(client, answered, tools=TOOLS).choices[0].message.content.endswith("工具返回:晴")


def test_reasoning(client, surface):
    field = "reasoning" if surface in ("vllm", "ollama") else "reasoning_content"
    chunks = list(create(client, model="thinker", stream=True))
    thought = "".join(getattr(chunk.choices[0].delta, field, None) or "" for chunk in chunks if chunk.choices)
    assert thought.startswith("先想想")


def test_error_before_and_in_the_stream(client):
    with pytest.raises(openai.APIStatusError) as failed:
        create(client, model="m@status:500", stream=True)
    assert failed.value.status_code == 500
    with pytest.raises(openai.APIError):
        list(create(client, model="m@errorevent:2", stream=True))


def test_cut_stream_is_noticed(client):
    with pytest.raises(Exception) as failed:
        list(create(client, model="m@cutevent:3", stream=True))
    assert "peer closed" in str(failed.value) or isinstance(failed.value, openai.APIConnectionError)


@pytest.mark.parametrize("faults", ["@split:1", "@crlf", "@ping:1", "@ascii", "@piece:1@gap:1"])
def test_odd_but_legal_streams(client, faults):
    text = create(client).choices[0].message.content
    chunks = create(client, model=f"m{faults}", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text


def only_openai(sim_url):
    return openai.OpenAI(api_key="sk-test", base_url=sim_url + "/openai/v1", max_retries=0)


def test_choices_and_logprobs(sim_url):
    client = only_openai(sim_url)
    reply = create(client, n=2, logprobs=True, top_logprobs=3)
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert len(reply.choices[1].logprobs.content[0].top_logprobs) == 3
    with client.chat.completions.stream(model="m", messages=USER, n=2, logprobs=True) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == final.choices[1].message.content == reply.choices[0].message.content


def test_openai_statuses(sim_url):
    client = only_openai(sim_url)
    for model, kind in [
        ("no-such", openai.NotFoundError),
        ("m@status:429@retryafter:1", openai.RateLimitError),
        ("m@code:context_length_exceeded", openai.BadRequestError),
        ("m@status:503", openai.InternalServerError),
        ("m@reset", openai.APIConnectionError),
        ("m@html", openai.InternalServerError),
    ]:
        with pytest.raises(kind):
            create(client, model=model)
    with pytest.raises(openai.AuthenticationError):
        create(client.with_options(api_key="sk-invalid"))
    assert "gpt-sim" in [model.id for model in client.models.list()]


def test_retry_after_is_honoured(sim_url):
    client = only_openai(sim_url).with_options(max_retries=1)
    with pytest.raises(openai.RateLimitError) as failed:
        create(client, model="m@status:429@retryafter:0")
    assert failed.value.response.headers["retry-after"] == "0"
