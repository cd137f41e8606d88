"""The simulated Gemini API by Google's own SDK: what it says, and what it refuses."""

import pytest
from google import genai
from google.genai import errors, types


@pytest.fixture
def client(sim_url):
    with genai.Client(api_key="AIza-fake", http_options=types.HttpOptions(base_url=f"{sim_url}/gemini", timeout=30_000)) as client:
        yield client


def test_whole_and_streamed(client):
    reply = client.models.generate_content(model="gemini-sim", contents="你好")
    assert reply.text.endswith("你好") and reply.usage_metadata.prompt_token_count == 1
    chunks = list(client.models.generate_content_stream(model="gemini-sim", contents="你好"))
    assert len(chunks) > 3 and "".join(chunk.text or "" for chunk in chunks) == reply.text
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_calls_are_signed_and_want_their_signature_back(client):
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return "21 celsius"

    config = types.GenerateContentConfig(tools=[get_weather])
    reply = client.models.generate_content(model="gemini-3-sim", contents="weather?", config=config)
    assert "21 celsius" in reply.text
    history = reply.automatic_function_calling_history
    assert history[1].parts[0].thought_signature
    history[1].parts[0].thought_signature = None
    with pytest.raises(errors.ClientError, match="thought_signature"):
        client.models.generate_content(model="gemini-3-sim", contents=history)


def test_refusals(client, sim_url):
    for fields, words in [
        ({"contents": []}, "contents"),
        ({"config": {"temperature": 3}}, "temperature"),
        ({"config": {"stop_sequences": list("abcdef")}}, "stop sequences"),
        ({"model": "no-such-model"}, "not found"),
    ]:
        with pytest.raises((errors.ClientError, ValueError), match=words):
            client.models.generate_content(**{"model": "gemini-sim", "contents": "hi", **fields})
    with pytest.raises(errors.ServerError) as caught:
        list(client.models.generate_content_stream(model="gemini-sim@errorevent:3", contents="hi"))
    assert caught.value.code == 500


def test_counting(client):
    assert client.models.count_tokens(model="gemini-sim", contents="hello").total_tokens == 3
