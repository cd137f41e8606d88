"""iFlytek's SDK against the spark-ws surface: a signed WebSocket, whole and streamed, functions, refusals."""

import pytest
from sparkai.core.messages import ChatMessage
from sparkai.errors import SparkAIConnectionError
from sparkai.llm.llm import ChatSparkLLM
from support import SPARK_APP, SPARK_KEY, SPARK_SECRET, TOOLS

ECHO = "[模拟 星火 simulated] 你说:你好 hello"
FUNCTIONS = [tool["function"] for tool in TOOLS]


@pytest.fixture
def spark(sim_url):
    place = sim_url.replace("http:", "ws:") + "/spark-ws/v4.0/chat"

    def connect(**more):
        known = {
            "spark_api_url": place,
            "spark_app_id": SPARK_APP,
            "spark_api_key": SPARK_KEY,
            "spark_api_secret": SPARK_SECRET,
            "spark_llm_domain": "4.0Ultra",
            "request_timeout": 10,
        }
        return ChatSparkLLM(**{**known, **more})

    return connect


def ask(spark, text="你好 hello", **more):
    return spark.generate([[ChatMessage(role="user", content=text)]], **more)


@pytest.mark.parametrize("streaming", [False, True])
def test_whole(spark, streaming):
    said = ask(spark(streaming=streaming))
    assert said.generations[0][0].text == ECHO
    usage = said.llm_output["token_usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_stream(spark):
    pieces = [piece.content for piece in spark().stream("你好 hello")]
    assert "".join(pieces) == ECHO and len(pieces) > 1


def test_functions(spark):
    said = ask(spark(), "天气", function_definition=FUNCTIONS).generations[0][0].message
    assert said.function_call == {"name": "get_weather", "arguments": '{"city":"北京"}'}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"spark_api_secret": "another"}, "HMAC signature does not match"),
        ({"spark_api_key": "another"}, "apikey not found"),
        ({"spark_app_id": "another"}, "11200"),
        ({"spark_llm_domain": "generalv3.5"}, "10404"),
        ({"temperature": 1.5}, "10163"),
    ],
)
def test_refusals(spark, wrong, told):
    with pytest.raises(SparkAIConnectionError, match=told):
        ask(spark(**wrong))
