"""The company's own runtime, asked in every dialect by the SDK that speaks it.

The server gets the same question, so it must say the same: what it says to someone who asks it straight, word for word, with
as many tokens read and written. The temperature is 0, or no two answers would be alike.
"""

import dataclasses

import anthropic
import dashscope
import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types

KEY = "ym-llamacpp"
TOKENS = 24
SYSTEM = "Answer in 数据."
TURNS = [("user", "你好 gate 🙂"), ("assistant", 'model "玉门"\n'), ("user", "data?")]


@dataclasses.dataclass
class Said:
    text: str
    finish: str
    read: int
    written: int


def messages(*more):
    return [*more, *({"role": role, "content": text} for role, text in TURNS)]


def whole_messages():
    return messages({"role": "system", "content": SYSTEM})


@pytest.fixture(scope="session")
def straight(llama):
    """What the server says without a gateway before it."""
    body = {"model": "noise.gguf", "messages": whole_messages(), "max_tokens": TOKENS, "temperature": 0}
    reply = httpx.post(f"{llama}/v1/chat/completions", json=body, timeout=30).json()
    choice, usage = reply["choices"][0], reply["usage"]
    assert choice["finish_reason"] == "length"
    return Said(choice["message"]["content"], "", usage["prompt_tokens"], usage["completion_tokens"])


def chat(gateway, streamed, conversation):
    with openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0) as client:
        fields = {"model": "noise", "messages": conversation, "max_tokens": TOKENS, "temperature": 0}
        if not streamed:
            reply = client.chat.completions.create(**fields)
            choice, usage = reply.choices[0], reply.usage
            return Said(choice.message.content, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens)
        chunks = list(client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    usage = chunks[-1].usage
    return Said(text, choices[-1].finish_reason, usage.prompt_tokens, usage.completion_tokens)


def openai_chat(gateway, streamed):
    return chat(gateway, streamed, whole_messages())


def openai_responses(gateway, streamed):
    with openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0) as client:
        fields = {"model": "noise", "instructions": SYSTEM, "max_output_tokens": TOKENS, "temperature": 0}
        turns = [{"role": role, "content": text} for role, text in TURNS]
        if streamed:
            with client.responses.stream(**fields, input=turns) as stream:
                events = list(stream)
            pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
            # The helper's own final response is of completed ones only.
            reply = events[-1].response
            assert "".join(pieces) == reply.output_text
        else:
            reply = client.responses.create(**fields, input=turns)
    assert reply.status == "incomplete"
    return Said(reply.output_text, reply.incomplete_details.reason, reply.usage.input_tokens, reply.usage.output_tokens)


def anthropic_messages(gateway, streamed):
    with anthropic.Anthropic(api_key=KEY, base_url=gateway.url, max_retries=0) as client:
        fields = {"model": "noise", "system": SYSTEM, "messages": messages(), "max_tokens": TOKENS}
        # Newer models have none, so neither has the SDK.
        fields["extra_body"] = {"temperature": 0}
        if streamed:
            with client.messages.stream(**fields) as stream:
                pieces = list(stream.text_stream)
                message = stream.get_final_message()
            assert "".join(pieces) == message.content[0].text
        else:
            message = client.messages.create(**fields)
    [block], usage = message.content, message.usage
    # What the server had in its cache is counted beside the rest.
    return Said(block.text, message.stop_reason, usage.input_tokens + usage.cache_read_input_tokens, usage.output_tokens)


def gemini(gateway, streamed):
    roles = {"user": "user", "assistant": "model"}
    config = types.GenerateContentConfig(system_instruction=SYSTEM, max_output_tokens=TOKENS, temperature=0)
    contents = [types.Content(role=roles[role], parts=[types.Part(text=text)]) for role, text in TURNS]
    fields = {"model": "noise", "contents": contents, "config": config}
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url, timeout=30_000)) as client:
        if streamed:
            replies = list(client.models.generate_content_stream(**fields))
        else:
            replies = [client.models.generate_content(**fields)]
    text = "".join(reply.text or "" for reply in replies)
    usage = replies[-1].usage_metadata
    finish = replies[-1].candidates[0].finish_reason.value
    return Said(text, finish, usage.prompt_token_count, usage.candidates_token_count)


def native(streamed, **how):
    fields = {"model": "noise", "messages": whole_messages(), "max_tokens": TOKENS, "temperature": 0.0}
    replies = dashscope.Generation.call(**fields, result_format="message", stream=streamed, **how)
    replies = list(replies) if streamed else [replies]
    assert all(reply.status_code == 200 for reply in replies), replies
    pieces = [reply.output.choices[0].message.content for reply in replies]
    text = pieces[-1] if how.get("incremental_output") is False else "".join(pieces)
    usage = replies[-1].usage
    return Said(text, replies[-1].output.choices[0].finish_reason, usage.input_tokens, usage.output_tokens)


def dashscope_increments(_, streamed):
    return native(streamed, **({"incremental_output": True} if streamed else {}))


def dashscope_whole_so_far(_, streamed):
    return native(streamed, **({"incremental_output": False} if streamed else {}))


SPEAKERS = {
    openai_chat: "length",
    openai_responses: "max_output_tokens",
    anthropic_messages: "max_tokens",
    gemini: "MAX_TOKENS",
    dashscope_increments: "length",
    dashscope_whole_so_far: "length",
}


@pytest.fixture(autouse=True)
def point_at_gateway(gateway, monkeypatch):
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{gateway.url}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", KEY)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda speaker: speaker.__name__)
def test_every_dialect_gets_the_servers_words(gateway, straight, speaker, streamed):
    said = speaker(gateway, streamed)
    assert said.finish == SPEAKERS[speaker]
    assert (said.read, said.written) == (straight.read, straight.written)
    # llama.cpp keeps half a character at the very end of a stream to itself; in a whole reply it says �.
    assert straight.text.startswith(said.text) and not straight.text[len(said.text) :].strip("�")
    assert streamed or said.text == straight.text


def test_a_prompt_too_long_is_refused_in_every_dialect(gateway):
    """The server's own refusal, in the words and the shape of each dialect."""
    long = "x" * 4000
    with pytest.raises(openai.BadRequestError) as failed:
        chat(gateway, True, [{"role": "user", "content": long}])
    assert failed.value.code == "context_length_exceeded"
    with anthropic.Anthropic(api_key=KEY, base_url=gateway.url, max_retries=0) as client:
        with pytest.raises(anthropic.BadRequestError) as failed:
            client.messages.create(model="noise", max_tokens=TOKENS, messages=[{"role": "user", "content": long}])
    assert failed.value.body["error"]["type"] == "invalid_request_error"
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url, timeout=30_000)) as client:
        with pytest.raises(errors.ClientError) as failed:
            client.models.generate_content(model="noise", contents=long)
    assert (failed.value.code, failed.value.status) == (400, "INVALID_ARGUMENT")
    reply = dashscope.Generation.call(model="noise", prompt=long, result_format="message")
    assert (reply.status_code, reply.code) == (400, "InvalidParameter")
