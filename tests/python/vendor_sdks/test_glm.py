"""zhipuai and zai-sdk against the glm surface, with the plain key and with the key's JWT."""

import pytest
import zai
import zhipuai
from support import GLM_KEY, TOOLS

USER = [{"role": "user", "content": "你好 hello"}]
ECHO = "[模拟 智谱 simulated] 你说:你好 hello"

CLIENTS = {
    "zhipuai": (zhipuai.ZhipuAI, True),
    "zhipuai-jwt": (zhipuai.ZhipuAI, False),
    "zai": (zai.ZhipuAiClient, True),
    "zai-jwt": (zai.ZhipuAiClient, False),
}


@pytest.fixture(params=CLIENTS)
def client(request, sim_url):
    kind, plain_key = CLIENTS[request.param]
    options = {"api_key": GLM_KEY, "base_url": f"{sim_url}/api/paas/v4", "disable_token_cache": plain_key}
    return kind(max_retries=0, **options)


def create(client, messages=USER, model="glm-4-plus", **more):
    return client.chat.completions.create(model=model, messages=messages, **more)


def test_whole(client):
    reply = create(client)
    assert reply.choices[0].message.content == ECHO
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens > 0 and reply.request_id


def test_stream_brings_usage_unasked(client):
    chunks = list(create(client, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ECHO
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_tools(client):
    messages = [{"role": "user", "content": "天气 two"}]
    whole = create(client, messages, tools=TOOLS, tool_choice="auto").choices[0]
    assert whole.finish_reason == "tool_calls"
    assert [c.function.arguments for c in whole.message.tool_calls] == ['{"city":"北京"}', '{"city":"上海"}']
    chunks = list(create(client, messages, tools=TOOLS, stream=True))
    carrying = [chunk for chunk in chunks if chunk.choices[0].delta.tool_calls]
    assert len(carrying) == 1 and len(carrying[0].choices[0].delta.tool_calls) == 2


def test_thinking(client):
    chunks = list(create(client, model="glm-4.7", stream=True))
    thought = "".join(getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks)
    assert thought.startswith("先想想")


def test_sensitive_end(client):
    assert list(create(client, model="glm-4-plus@recall", stream=True))[-1].choices[0].finish_reason == "sensitive"


@pytest.mark.parametrize(
    ("model", "status"), [("no-such-model", 400), ("m@code:1302", 429), ("m@code:1113", 429), ("m@status:500", 500)]
)
def test_errors(client, model, status):
    with pytest.raises(Exception) as failed:
        create(client, model=model)
    assert failed.value.response.status_code == status
    assert failed.value.response.json()["error"]["code"].isdigit()


def test_wrong_key(sim_url):
    for key in ("id.invalid", "0123456789abcdef0123456789abcdef.wrong"):
        client = zhipuai.ZhipuAI(
            api_key=key, base_url=f"{sim_url}/api/paas/v4", max_retries=0, disable_token_cache=False
        )
        with pytest.raises(zhipuai.APIAuthenticationError):
            create(client)
