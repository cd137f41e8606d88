"""The simulated Bedrock by Amazon's own SDK: its signature is taken, its frames are read, its refusals are known."""

import boto3
import botocore.config
import botocore.exceptions
import pytest
from support import BEDROCK_ACCESS_KEY, BEDROCK_SECRET_KEY

MODEL = "anthropic.claude-sim-v1:0"
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}]}


def connect(sim_url, secret=BEDROCK_SECRET_KEY, **more):
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{sim_url}/bedrock",
        aws_access_key_id=BEDROCK_ACCESS_KEY,
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
        **more,
    )


@pytest.fixture
def client(sim_url):
    return connect(sim_url)


def ask(text):
    return [{"role": "user", "content": [{"text": text}]}]


def test_whole_and_streamed(client):
    reply = client.converse(modelId=MODEL, messages=ask("你好"))
    text = reply["output"]["message"]["content"][0]["text"]
    assert text.endswith("你好") and reply["stopReason"] == "end_turn"
    events = list(client.converse_stream(modelId=MODEL, messages=ask("你好"))["stream"])
    pieces = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert len(pieces) > 3 and "".join(pieces) == text
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"] == reply["usage"]


def test_calls(client):
    reply = client.converse(modelId=MODEL, messages=ask("two weather"), toolConfig=TOOLS)
    message = reply["output"]["message"]
    calls = [block["toolUse"] for block in message["content"]]
    assert [call["input"]["city"] for call in calls] == ["北京", "上海"]
    results = [{"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "21"}]}} for call in calls]
    again = [*ask("two weather"), message, {"role": "user", "content": results}]
    assert "2121" in client.converse(modelId=MODEL, messages=again, toolConfig=TOOLS)["output"]["message"]["content"][0]["text"]
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(modelId=MODEL, messages=again)


def test_refusals(client, sim_url):
    for fields, name in [
        ({"modelId": "no-such-model"}, "ResourceNotFoundException"),
        ({"modelId": f"{MODEL}@status:429"}, "ThrottlingException"),
        ({"inferenceConfig": {"temperature": 1.0}, "messages": ask(" ")}, "ValidationException"),
    ]:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            client.converse(**{"modelId": MODEL, "messages": ask("hi"), **fields})
        assert caught.value.response["Error"]["Code"] == name
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        connect(sim_url, secret="another").converse(modelId=MODEL, messages=ask("hi"))
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        connect(sim_url, aws_session_token="expired").converse(modelId=MODEL, messages=ask("hi"))
    assert caught.value.response["Error"]["Code"] == "ExpiredTokenException"
    good = connect(sim_url, aws_session_token="FwoGZXIvYXdzEXAMPLE").converse(modelId=MODEL, messages=ask("hi"))
    assert good["stopReason"] == "end_turn"


def test_an_exception_in_mid_stream(client):
    stream = client.converse_stream(modelId=f"{MODEL}@errorevent:3", messages=ask("hi"))["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        list(stream)
    assert caught.value.response["Error"]["Code"] == "internalServerException"
