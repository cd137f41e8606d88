"""qianfan against both wenxin protocols: v1 with OAuth tokens or signatures, v2 with a bearer."""

import pytest
import qianfan
from support import BCE_ACCESS_KEY, BCE_SECRET_KEY

USER = [{"role": "user", "content": "你好 hello"}]
ECHO = "[模拟 文心 simulated] 你说:你好 hello"
WEATHER = [{"role": "user", "content": "天气"}]
FUNCTIONS = [{"name": "get_weather", "description": "weather", "parameters": {"type": "object", "properties": {}}}]
TOOLS = [{"type": "function", "function": FUNCTIONS[0]}]


@pytest.fixture(autouse=True)
def point_at_sim(sim_url):
    config = qianfan.get_config()
    config.BASE_URL = config.CONSOLE_API_BASE_URL = config.IAM_BASE_URL = sim_url
    config.LLM_API_RETRY_COUNT = 1
    config.ACCESS_TOKEN_REFRESH_MIN_INTERVAL = 0
    config.BEARER_TOKEN = None


@pytest.fixture(params=["oauth", "signed"])
def v1(request):
    if request.param == "oauth":
        return qianfan.ChatCompletion(version="1", ak="test-ak", sk="test-sk")
    return qianfan.ChatCompletion(version="1", access_key=BCE_ACCESS_KEY, secret_key=BCE_SECRET_KEY)


@pytest.fixture(params=["key", "iam"])
def v2(request):
    if request.param == "key":
        qianfan.get_config().BEARER_TOKEN = "bce-v3/ALTAK-test/0001"
        return qianfan.ChatCompletion(version="2")
    return qianfan.ChatCompletion(version="2", access_key=BCE_ACCESS_KEY, secret_key=BCE_SECRET_KEY)


def test_v1_whole(v1):
    reply = v1.do(endpoint="completions_pro", messages=USER)
    assert reply["result"] == ECHO
    assert reply["finish_reason"] == "normal"
    assert reply["usage"]["total_tokens"] > 0


def test_v1_stream(v1):
    events = list(v1.do(endpoint="completions_pro", messages=USER, stream=True))
    assert "".join(event["result"] for event in events) == ECHO
    assert [event["is_end"] for event in events][-2:] == [False, True]


def test_v1_function(v1):
    reply = v1.do(endpoint="completions_pro", messages=WEATHER, functions=FUNCTIONS)
    assert reply["function_call"]["arguments"] == '{"city":"北京"}'


@pytest.mark.parametrize("stream", [False, True])
def test_v1_errors(v1, stream):
    with pytest.raises(qianfan.errors.APIError) as failed:
        list(v1.do(endpoint="completions_pro@code:336103", messages=USER, stream=stream))
    assert failed.value.error_code == 336103
    with pytest.raises(qianfan.errors.APIError) as failed:
        v1.do(endpoint="completions_pro", messages=USER, temperature=0)
    assert failed.value.error_code == 336003


def test_v1_error_in_the_stream(v1):
    got = []
    with pytest.raises(qianfan.errors.APIError) as failed:
        for event in v1.do(endpoint="completions_pro@errorevent:2@code:336000", messages=USER, stream=True):
            got.append(event["result"])
    assert failed.value.error_code == 336000 and len(got) == 2


def test_v1_wrong_key():
    chat = qianfan.ChatCompletion(version="1", ak="invalid-ak", sk="x")
    with pytest.raises(Exception):
        chat.do(endpoint="completions_pro", messages=USER)


def test_v2_whole_and_stream(v2):
    reply = v2.do(model="ernie-4.5-turbo-128k", messages=USER)
    assert reply["choices"][0]["message"]["content"] == ECHO
    assert reply["choices"][0]["flag"] == 0
    events = list(
        v2.do(model="ernie-4.5-turbo-128k", messages=USER, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(c["delta"].get("content", "") for event in events for c in event["choices"])
    assert text == ECHO
    assert events[-1]["usage"]["total_tokens"] == reply["usage"]["total_tokens"]


def test_v2_tools(v2):
    reply = v2.do(model="ernie-4.5-turbo-128k", messages=WEATHER, tools=TOOLS)
    assert reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"city":"北京"}'


def test_v2_errors(v2):
    with pytest.raises(Exception) as failed:
        v2.do(model="ernie-4.5-turbo-128k@code:account_overdue", messages=USER)
    assert "overdue" in str(failed.value)
    with pytest.raises(Exception) as failed:
        v2.do(model="ernie-4.5-turbo-128k", messages=[{"role": "user", "content": " "}])
    assert "blank" in str(failed.value)
