"""What the SDK raises: every error of ours and of the vendors in its own class, with our code and our words."""

import asyncio
import time

import httpx
import openai
import pytest
from chat import ECHO, KEY, USER, create, finishes_of, says, text_of
from support import eventually
from upstreams import UPSTREAMS


def shaped(error):
    """The four keys of the dialect, a request id, and nothing of the vendor's."""
    assert {"message", "type", "code", "param"} <= set(error.body), error.body
    assert error.message and error.code
    if isinstance(error, openai.APIStatusError):
        assert error.response.headers["x-request-id"] == error.request_id
        assert error.response.headers["content-type"].startswith("application/json")
    return error


def fails(kind, client, **more):
    with pytest.raises(kind) as failed:
        reply = create(client, **more)
        if more.get("stream"):
            list(reply)
    return shaped(failed.value)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request):
    return request.param


@pytest.mark.parametrize("key", ["ym-unknown", "sk-not-ours", "ym-"])
def test_authentication(connect, key):
    error = fails(openai.AuthenticationError, connect(key))
    assert error.code == "invalid_api_key" and key not in error.message


def test_unknown_model(client, stream):
    error = fails(openai.NotFoundError, client, model="gpt-nobody", stream=stream)
    assert (error.code, error.param) == ("model_not_found", "model")


def test_unknown_path(client):
    with pytest.raises(openai.NotFoundError) as failed:
        client.with_options(base_url=f"{client.base_url}v1/").chat.completions.create(model="m", messages=USER)
    assert "already ends in /v1" in failed.value.message


def test_no_right_to_the_model(connect):
    error = fails(openai.PermissionDeniedError, connect("ym-narrow"))
    assert error.code == "permission_denied"
    assert create(connect("ym-narrow"), model="drops").choices[0].message.content.endswith(ECHO)


@pytest.mark.each_vendor
def test_the_law(sim, connect, upstream, stream, mark):
    """What is graded above the provider's clearance does not leave; nor is the grade a caller's to lower."""
    client = connect("ym-secretive")
    if upstream.provider["clearance"] == "restricted":
        assert create(client).choices[0].message.content.endswith(ECHO)
        return
    for headers in ({}, {"x-yumen-grade": "public"}):
        error = fails(
            openai.PermissionDeniedError, client, messages=says(mark), stream=stream, extra_headers=headers
        )
        assert error.code == "no_cleared_provider" and mark not in error.message
        assert error.response.headers["x-yumen-grade"] == "restricted"
    # Anyone may raise the grade of a request of their own.
    raised = fails(
        openai.PermissionDeniedError, connect(), messages=says(mark), extra_headers={"x-yumen-grade": "confidential"}
    )
    assert raised.code == "no_cleared_provider"
    assert sim.all(mark) == []


def test_rate_limit(connect):
    client = connect("ym-thrifty")
    error = None
    for _ in range(3):
        try:
            create(client)
        except openai.RateLimitError as limited:
            error = shaped(limited)
    assert error and error.code == "rate_limit_exceeded"
    headers = error.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_concurrent_limit(connect):
    client = connect("ym-single")
    with create(client, model="m@events:400@gap:10", stream=True) as held:
        next(iter(held))
        assert fails(openai.RateLimitError, client).code == "rate_limit_exceeded"

    def answers():
        try:
            return create(client).choices
        except openai.RateLimitError:
            return None

    eventually(answers, "the place of a stream that was left")


@pytest.mark.parametrize(
    "more, param",
    [
        ({"messages": "hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}, 7]}, None),
        ({"model": 7}, "model"),
        ({"model": ""}, None),
        ({"stream": "yes"}, "stream"),
        ({"extra_body": {"api_base": "http://127.0.0.1:9"}}, "api_base"),
        ({"extra_body": {"api_key": "sk-x"}}, "api_key"),
    ],
)
def test_bad_requests(sim, client, more, param, mark):
    error = fails(openai.BadRequestError, client, **{"user": mark, **more})
    assert error.code == "invalid_request"
    assert param is None or error.param == param
    assert sim.all(mark) == [], "a bad request went upstream"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"model":"m","model":"m","messages":[]}', b'{"a":"\xff"}', b'{"a":"\\ud800"}'], ids=repr
)
def test_bad_bodies(gateways, body):
    """What no SDK writes. One upstream for all: none of these gets so far."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    url = f"{gateways(UPSTREAMS[0]).url}/v1/chat/completions"
    answer = httpx.post(url, content=body, headers=headers, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("ending", ["@status:500", "@status:503", "@html", "@redirect", "@reset", "@badjson:0", "@cutevent:0"])
def test_a_vendor_that_fails(client, upstream, ending, stream):
    if ending == "@badjson:0" and stream and upstream.comment_first:
        pytest.skip("the simulator breaks its opening comment, and a broken comment is a comment")
    error = fails(openai.InternalServerError, client, model=f"m{ending}", stream=stream)
    assert 500 <= error.status_code <= 504 and error.code == "upstream_error"
    assert "simulated" not in error.message and "html" not in error.message.lower()


@pytest.mark.each_vendor
def test_an_error_hidden_in_a_200(client, stream):
    error = fails(openai.APIStatusError, client, model="m@errorin200", stream=stream)
    assert error.status_code >= 400


def test_an_error_as_the_first_event(client):
    """Nothing went down yet, so it is an answer like any other error."""
    error = fails(openai.InternalServerError, client, model="m@errorevent:0", stream=True)
    assert error.code == "upstream_error"


@pytest.mark.each_vendor
def test_a_vendor_that_limits(client, upstream, stream):
    if not upstream.limits:
        pytest.skip("knows no such error")
    error = fails(openai.RateLimitError, client, model="m@status:429@retryafter:3", stream=stream)
    assert error.code == "rate_limit_exceeded"
    assert error.response.headers["retry-after"] == "3"


def test_the_sdk_retries_what_it_may(sim, connect, upstream, mark):
    """One retry, after the `retry-after` that we pass on: two requests upstream."""
    if upstream.handshake:
        pytest.skip("refuses the handshake, before it hears the mark")
    began = time.monotonic()
    with pytest.raises(openai.APIStatusError):
        create(connect(max_retries=1), says(mark), model="m@status:429@retryafter:1")
    assert len(sim.all(mark)) == 2 and time.monotonic() - began >= 0.9


def test_a_model_the_vendor_does_not_know(client, stream):
    error = fails(openai.NotFoundError, client, model="nowhere", stream=stream)
    assert "no-such" not in error.message


@pytest.mark.each_vendor
def test_our_credential_refused(client, upstream, stream):
    """A vendor's 401 must not look like the application's own."""
    if upstream.name == "ollama":
        pytest.skip("takes no credential")
    error = fails(openai.InternalServerError, client, model="locked-out", stream=stream)
    assert (error.status_code, error.code) == (502, "upstream_error")
    assert "sk-invalid" not in str(error.body)


@pytest.mark.each_vendor
def test_too_long_a_prompt(client, upstream, stream):
    if not upstream.too_long:
        pytest.skip("the vendor has no code for it")
    error = fails(openai.BadRequestError, client, model="too-long", stream=stream)
    assert error.code == "context_length_exceeded"


@pytest.mark.each_vendor
def test_the_vendors_content_filter(client, upstream, stream):
    if not upstream.filtered:
        pytest.skip("a runtime of one's own filters nothing")
    error = fails(openai.BadRequestError, client, model="filtered", stream=stream)
    assert error.code == "content_filtered"


@pytest.mark.parametrize("ending", ["@errorevent:4@gap:20", "@cutevent:4@gap:20", "@badjson:4@gap:20"])
def test_failing_in_the_middle(client, ending):
    """An error event of the dialect, never a silent end. The gaps make sure that the answer has begun."""
    said = []
    with pytest.raises(openai.APIError) as failed:
        for chunk in create(client, model=f"m{ending}", stream=True):
            said.append(chunk)
    assert not isinstance(failed.value, (openai.APIStatusError, openai.APIConnectionError))
    assert shaped(failed.value).code == "upstream_error"
    assert said and finishes_of(said) == []


@pytest.mark.each_vendor
def test_recall_by_moderation(client, upstream):
    if not upstream.recall:
        pytest.skip("no recall in that protocol")
    try:
        finishes = finishes_of(create(client, model="m@recall", stream=True))
    except openai.APIError as error:
        assert shaped(error).code == "content_filtered"
    else:
        # GLM's own word is `sensitive`, wenxin's is none at all but a flag.
        assert finishes == ["content_filter"]


def test_odd_but_legal_streams(client, upstream):
    text = create(client).choices[0].message.content
    # Without a reason and without an end marker a stream cannot be told from one that was cut.
    endings = ["@nodone"] if upstream.reason else []
    for ending in ("@split:1", "@crlf", "@ascii", "@ping:1", "@piece:1", "@slowfirst:300", "@jsonstream", *endings):
        chunks = list(create(client, model=f"m{ending}", stream=True))
        assert text_of(chunks) == text, ending
        assert finishes_of(chunks) == ["stop"], ending


def test_a_final_event_said_twice(client, upstream):
    chunks = list(create(client, model="m@dupfinal", stream=True))
    assert ECHO in text_of(chunks)
    # Forwarded as it came; newly written, there is one end.
    assert set(finishes_of(chunks)) == {"stop"} and (upstream.forwarded or len(finishes_of(chunks)) == 1)


def test_the_gateways_own_clocks(client):
    assert fails(openai.InternalServerError, client, model="slow").code == "upstream_timeout"
    error = fails(openai.InternalServerError, client, model="slow", stream=True)
    assert (error.status_code, error.code) == (504, "upstream_timeout")
    with pytest.raises(openai.APIError) as failed:
        list(create(client, model="stalls", stream=True))
    assert shaped(failed.value).code == "upstream_timeout"


def test_a_client_that_gives_up(sim, connect, upstream, mark):
    """The SDK's own timeout closes the connection, and that cancels the call upstream."""
    if upstream.handshake:
        pytest.skip("hangs in the handshake, before it hears the mark")
    with pytest.raises(openai.APITimeoutError):
        create(connect(timeout=0.5), says(mark), model="m@hang")
    eventually(lambda: sim.one(mark)["cancelled"], "a cancelled call upstream")


def test_a_client_that_leaves(sim, client, mark):
    stream = create(client, says(mark), model="m@events:400@gap:10", stream=True)
    for _ in range(3):
        next(stream)
    stream.close()
    left = time.monotonic()
    eventually(lambda: sim.one(mark)["cancelled"], "a cancelled stream upstream")
    assert time.monotonic() - left < 2
    assert sim.one(mark)["events_sent"] < 300


def test_an_async_task_that_is_cancelled(sim, connect, mark):
    async def leave():
        async with connect(kind=openai.AsyncOpenAI) as client:
            begun = asyncio.Event()

            async def read():
                async for _ in await create(client, says(mark), model="m@events:400@gap:10", stream=True):
                    begun.set()

            task = asyncio.create_task(read())
            await asyncio.wait_for(begun.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(leave())
    eventually(lambda: sim.one(mark)["cancelled"], "a cancelled stream upstream")
