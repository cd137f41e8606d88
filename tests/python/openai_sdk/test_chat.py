"""Plain answers, whole and streamed, sync and async, through every kind of upstream."""

import asyncio

import openai
import pytest
from chat import ECHO, USER, create, finishes_of, says, text_of, usages_of
from support import TOOLS

ASK_USAGE = {"include_usage": True}
# A PNG of one pixel.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.each_vendor
def test_whole(client, upstream):
    reply = create(client)
    assert reply.object == "chat.completion" or reply.object is None
    assert isinstance(reply.created, int) and reply.id
    choice = reply.choices[0]
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert choice.message.content.endswith(ECHO)
    assert not choice.message.tool_calls
    if not upstream.counts:
        assert reply.usage is None
        return
    assert reply.usage.prompt_tokens > 0 and reply.usage.completion_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.each_vendor
def test_stream(client):
    whole = create(client)
    chunks = list(create(client, stream=True))
    assert len(chunks) > 5
    assert text_of(chunks) == whole.choices[0].message.content
    assert finishes_of(chunks) == ["stop"]
    # One vendor begins with a chunk that has no choices, and no id.
    said = [chunk for chunk in chunks if chunk.choices]
    assert len({chunk.id for chunk in said}) == 1
    assert said[0].choices[0].delta.role == "assistant"


def test_usage_only_when_asked(client):
    whole = create(client)
    assert usages_of(create(client, stream=True)) == []
    assert usages_of(create(client, stream=True, stream_options={"include_usage": False})) == []
    counted = usages_of(create(client, stream=True, stream_options=ASK_USAGE))
    assert [usage.total_tokens for usage in counted] == [whole.usage.total_tokens]


def test_usage_in_every_event_is_not_summed(client):
    whole = create(client)
    chunks = list(create(client, model="m@usage:each", stream=True, stream_options=ASK_USAGE))
    assert usages_of(chunks)[-1].total_tokens == whole.usage.total_tokens
    assert text_of(chunks) == whole.choices[0].message.content


def test_a_vendor_without_usage(client):
    assert text_of(create(client, model="m@usage:none", stream=True, stream_options=ASK_USAGE)).endswith(ECHO)
    assert create(client, model="m@usage:none").choices[0].message.content.endswith(ECHO)


def test_stream_helper(client, upstream):
    with client.chat.completions.stream(model="m", messages=USER, stream_options=ASK_USAGE) as stream:
        kinds = [event.type for event in stream]
        if not upstream.object_in_chunks:
            # The helper passes over chunks without `object`, and such are forwarded as they came.
            assert "content.delta" not in kinds
            return
        final = stream.get_final_completion()
    assert kinds.count("content.done") == 1 and "content.delta" in kinds
    assert final.choices[0].message.content.endswith(ECHO)
    assert final.usage.total_tokens > 0


def test_async(connect):
    async def talk():
        async with connect(kind=openai.AsyncOpenAI) as client:
            whole, chunks, *rest = await asyncio.gather(
                create(client), collect(client), *(collect(client) for _ in range(10))
            )
            for others in (chunks, *rest):
                assert text_of(others) == whole.choices[0].message.content
                assert finishes_of(others) == ["stop"]

    async def collect(client):
        return [chunk async for chunk in await create(client, stream=True)]

    asyncio.run(talk())


def test_conversation_and_system(client):
    messages = [
        {"role": "system", "content": "You are short."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
    ]
    assert create(client, messages).choices[0].message.content.endswith("你说:two")


def test_developer_role_and_text_parts(client):
    messages = [
        {"role": "developer", "content": "You are short."},
        {"role": "user", "content": [{"type": "text", "text": "部分一"}, {"type": "text", "text": "part two"}]},
    ]
    said = create(client, messages).choices[0].message.content
    assert "部分一" in said and "part two" in said


@pytest.mark.each_vendor
def test_sampling_fields(client, upstream):
    more = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 4}
    if upstream.stop:
        more["stop"] = ["never said"]
    reply = create(client, **more)
    # A vendor that gives no reason is understood to have ended naturally.
    why = "length" if upstream.reason else "stop"
    assert reply.choices[0].finish_reason == why
    assert len(reply.choices[0].message.content) <= 8
    assert finishes_of(create(client, stream=True, **more)) == [why]


def test_max_completion_tokens(client):
    said = create(client, model="drops", max_completion_tokens=4).choices[0].message.content
    assert len(said) <= 8


def test_temperature_zero(client):
    """The commonest setting of all, and out of bounds for several vendors."""
    assert create(client, temperature=0).choices[0].message.content.endswith(ECHO)


@pytest.mark.each_vendor
def test_stop(client, upstream):
    if not upstream.stop:
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, stop="simulated")
        assert refused.value.param == "stop"
        return
    assert "simulated" not in create(client, stop="simulated").choices[0].message.content


@pytest.mark.each_vendor
def test_images(client, upstream):
    parts = [{"type": "text", "text": "看图"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    messages = [{"role": "user", "content": parts}]
    if not upstream.images:
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, messages, model="sees")
        assert refused.value.code == "invalid_request"
        return
    said = create(client, messages, model="sees").choices[0].message.content
    assert "看图" in said and "image" in said
    assert "看图" in text_of(create(client, messages, model="sees", stream=True))


@pytest.mark.each_vendor
def test_choices(client, upstream):
    if not upstream.choices:
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, model="refuses", n=2)
        assert (refused.value.code, refused.value.param) == ("invalid_request", "n")
        # Dropped only where the model's config says so, and then the answer tells.
        reply = client.chat.completions.with_raw_response.create(model="drops", messages=USER, n=2)
        assert "n" in reply.headers["x-yumen-dropped"].replace(" ", "").split(",")
        assert len(reply.parse().choices) == 1
        return
    reply = create(client, n=2)
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert all(choice.message.content.endswith(ECHO) for choice in reply.choices)
    chunks = list(create(client, n=2, stream=True))
    assert finishes_of(chunks) == ["stop", "stop"]
    for index in (0, 1):
        said = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index)
        assert said.endswith(ECHO)


@pytest.mark.each_vendor
def test_logprobs(client, upstream):
    if upstream.logprobs is None:
        assert create(client, logprobs=True).choices[0].message.content.endswith(ECHO)
        return
    if not upstream.logprobs:
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, model="refuses", logprobs=True, top_logprobs=2)
        assert refused.value.param in ("logprobs", "top_logprobs")
        return
    reply = create(client, logprobs=True, top_logprobs=2)
    assert len(reply.choices[0].logprobs.content[0].top_logprobs) == 2
    chunks = create(client, logprobs=True, top_logprobs=2, stream=True)
    assert any(choice.logprobs for chunk in chunks for choice in chunk.choices)


@pytest.mark.each_vendor
def test_reasoning(client, upstream):
    messages = says("some reasoning please")
    whole = create(client, messages).choices[0].message
    chunks = list(create(client, messages, stream=True))
    assert text_of(chunks) == whole.content
    if upstream.reasoning is None:
        return
    assert getattr(whole, upstream.reasoning).startswith("先想想")
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    thought = "".join(getattr(delta, upstream.reasoning, None) or "" for delta in deltas)
    assert thought == getattr(whole, upstream.reasoning)


@pytest.mark.each_vendor
def test_json_mode(client, upstream):
    if not upstream.json_mode:
        pytest.skip("none, or a bare word in that protocol, which the adapter's own tests cover")
    messages = says("answer in json")
    assert create(client, messages, response_format={"type": "json_object"}).choices[0].message.content


def test_long_texts(client):
    """Beyond one read and one frame, with characters of one to four bytes."""
    long = "aé汉🙂" * 20_000
    said = create(client, says(long)).choices[0].message.content
    assert "aé汉🙂" in said and "(共80000字)" in said
    assert text_of(create(client, says(long), stream=True)) == said


def test_every_awkward_character(client):
    awkward = 'quote " backslash \\ tab \t newline \n nul-like \u0001 line \u2028 bom \ufeff rtl \u202e del \x7f </script> 终'
    said = create(client, says(awkward)).choices[0].message.content
    assert said.endswith(awkward)
    assert text_of(create(client, says(awkward), stream=True)) == said


def test_headers(client, upstream):
    reply = client.chat.completions.with_raw_response.create(model="m", messages=USER)
    again = client.chat.completions.with_raw_response.create(model="m", messages=USER, stream=True)
    for answer in (reply, again):
        headers = answer.headers
        assert headers["x-yumen-provider"] == upstream.name
        assert headers["x-yumen-model"] == "m"
        assert headers["x-yumen-grade"] == "public"
        assert headers["x-yumen-verdict"] == "allow"
        assert headers["x-yumen-attempts"] == "1"
        assert answer.request_id == headers["x-request-id"]
    assert reply.headers["x-request-id"] != again.headers["x-request-id"]
    assert reply.headers["content-type"].startswith("application/json")
    assert again.headers["content-type"].startswith("text/event-stream")
    assert "x-simulated-vendor" not in reply.headers, "a vendor's own header came through"
    assert text_of(again.parse()).endswith(ECHO)


def test_nothing_of_the_client_goes_upstream(sim, client, upstream, mark):
    extra = {"x-forwarded-for": "10.1.2.3", "cookie": "a=b", "x-grade-of-mine": "secret"}
    create(client, says(mark), extra_headers=extra, user="user-0042")
    sent = sim.one(mark)
    names = set(sent["headers"])
    assert not names & {"cookie", "x-forwarded-for", "x-grade-of-mine", "x-stainless-lang", "openai-organization"}
    assert "ym-tester" not in str(sent)


def test_models(client):
    listed = [model.id for model in client.models.list()]
    assert "m" in listed and "second-try" in listed
    assert client.models.retrieve("m").id == "m"
    assert client.models.retrieve("m@status:429@retryafter:3").id == "m@status:429@retryafter:3"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("nobody")
    assert missing.value.code == "model_not_found"


def test_failover_before_the_first_byte(client):
    """Twice a failure, once told by status, once hidden in a 200; then the third answers."""
    for stream in (False, True):
        answer = client.chat.completions.with_raw_response.create(model="second-try", messages=USER, stream=stream)
        assert answer.headers["x-yumen-attempts"] == "3"
        said = text_of(answer.parse()) if stream else answer.parse().choices[0].message.content
        assert said.endswith(ECHO)


def test_unknown_fields_are_no_error(client, upstream):
    if not upstream.unknown_fields:
        with pytest.raises(openai.UnprocessableEntityError):
            create(client, extra_body={"a_field_of_tomorrow": 1})
        return
    model = "m" if upstream.forwarded else "drops"
    reply = create(client, model=model, extra_body={"a_field_of_tomorrow": {"deep": [1, None]}})
    assert reply.choices[0].message.content.endswith(ECHO)


def test_tools_offered_but_not_needed(client, upstream):
    model = "m" if upstream.tools else "drops"
    assert create(client, model=model, tools=TOOLS).choices[0].message.content.endswith(ECHO)
