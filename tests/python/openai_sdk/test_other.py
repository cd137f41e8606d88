"""What is no chat, by the official SDK: embeddings (of which the SDK asks base64 when nothing is said), images, speech,
transcripts, and the rerank convention.

Each over a few unlike vendors: one that speaks OpenAI's dialect to the letter, one of a protocol of its own, and so on.
"""

import io
import re

import openai
import pytest
from upstreams import UPSTREAMS

BY_NAME = {upstream.name: upstream for upstream in UPSTREAMS}
VECTORS = ["azure-openai", "glm", "tongyi", "wenxin-v1", "minimax"]
IMAGES = ["azure-openai", "xai", "wenxin"]
SOUND = ["azure-openai", "xinference"]
TRANSCRIPTS = ["azure-openai", "vllm", "mistral"]
RANKS = ["vllm", "sglang", "tongyi", "cohere"]


@pytest.fixture
def gateway(gateways, request):
    """The gateway of the vendor that the test names."""
    return gateways(BY_NAME[request.param])


def over(names):
    return pytest.mark.parametrize("gateway", names, indirect=True)


@over(VECTORS)
def test_vectors_are_the_same_in_both_encodings(client):
    texts = [f"第 {at} 句" for at in range(23)]
    unsaid = client.embeddings.create(model="m", input=texts)
    floats = client.embeddings.create(model="m", input=texts, encoding_format="float")
    coded = client.embeddings.create(model="m", input=texts, encoding_format="base64")
    assert [row.index for row in unsaid.data] == list(range(23))
    assert all(isinstance(row.embedding, list) and len(row.embedding) == 6 for row in unsaid.data)
    # The SDK decodes 32-bit floats to what those are as 64-bit ones.
    for one, other in zip(unsaid.data, floats.data):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-7)
    assert all(isinstance(row.embedding, str) for row in coded.data)
    assert unsaid.usage.prompt_tokens == unsaid.usage.total_tokens > 0
    alone = client.embeddings.create(model="m", input=texts[7])
    assert alone.data[0].embedding == unsaid.data[7].embedding


@over(["glm", "tongyi"])
def test_a_length_may_be_chosen(client):
    reply = client.embeddings.create(model="m", input="猫", dimensions=3)
    assert len(reply.data[0].embedding) == 3


@over(["wenxin"])
def test_what_a_vendor_lacks_is_told(client):
    with pytest.raises(openai.BadRequestError) as failed:
        client.embeddings.create(model="m", input="猫", dimensions=3)
    assert failed.value.code == "invalid_request" and failed.value.param == "dimensions"


@over(["deepseek"])
def test_who_makes_no_vectors(client):
    with pytest.raises(openai.NotFoundError) as failed:
        client.embeddings.create(model="m", input="猫")
    assert failed.value.code == "model_not_found"


@over(VECTORS)
def test_errors_of_vectors(client):
    with pytest.raises(openai.RateLimitError) as failed:
        client.embeddings.create(model="m@status:429@retryafter:1", input="猫")
    assert failed.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="m", input="")


@over(IMAGES)
def test_an_image(client):
    reply = client.images.generate(model="m", prompt="一只猫", n=2, response_format="b64_json", size="1024x1024")
    assert len(reply.data) == 2
    assert all(row.b64_json and row.revised_prompt == "一只猫" for row in reply.data)
    assert client.images.generate(model="m", prompt="猫").data[0].url.startswith("https://")


@over(SOUND)
def test_speech_streams(client):
    with client.audio.speech.with_streaming_response.create(model="m", voice="alloy", input="你好") as reply:
        assert reply.headers["content-type"] == "audio/mpeg"
        sound = b"".join(reply.iter_bytes(1000))
    assert sound == "你好".encode() * 1000
    whole = client.audio.speech.create(model="m", voice="alloy", input="hi", response_format="wav")
    assert whole.content == b"hi" * 1000


@over(TRANSCRIPTS)
def test_a_transcript(client):
    sound = io.BytesIO(b"RIFF" * 5000)
    sound.name = "call.wav"
    reply = client.audio.transcriptions.create(model="m", file=sound, prompt="提示", language="zh")
    assert re.fullmatch(r"call\.wav of 20000 bytes, sum \d+\. 提示", reply.text)
    text = client.audio.transcriptions.create(model="m", file=("a.wav", b"RIFF"), response_format="text")
    assert text.startswith("a.wav of 4 bytes")
    whole = client.audio.transcriptions.create(model="m", file=("a.wav", b"RIFF"), response_format="verbose_json")
    assert whole.segments[0].text == whole.text


@over(TRANSCRIPTS)
def test_a_transcript_streams(client):
    events = list(client.audio.transcriptions.create(model="m", file=("a.wav", b"RIFF"), prompt="提示", stream=True))
    said = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done" and events[-1].text == said
    assert said.endswith("提示")


@over(["azure-openai"])
def test_a_file_is_needed(client):
    with pytest.raises(openai.NotFoundError):
        client.audio.transcriptions.create(model="nobody-knows", file=("a.wav", b"RIFF"))
    with pytest.raises(openai.BadRequestError) as failed:
        client.images.generate(model="m", prompt="")
    assert failed.value.param == "prompt"


@over(RANKS)
def test_rerank(client):
    body = {
        "model": "m",
        "query": "苹果手机",
        "documents": ["苹果是水果", "iPhone 是苹果手机"],
        "top_n": 1,
        "return_documents": True,
    }
    reply = client.post("/rerank", body=body, cast_to=object)
    (best,) = reply["results"]
    assert best["index"] == 1 and best["document"] == {"text": "iPhone 是苹果手机"}
    assert isinstance(best["relevance_score"], float) and reply["usage"]["total_tokens"] >= 0
