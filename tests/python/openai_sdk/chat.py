"""Small words for the tests: who asks, ask, and read a stream."""

KEY = "ym-tester"
USER = [{"role": "user", "content": "你好, gate 🙂👨‍👩‍👧‍👦"}]
ECHO = "simulated] 你说:你好, gate 🙂👨‍👩‍👧‍👦"


def says(text):
    return [{"role": "user", "content": text}]


def create(client, messages=USER, model="m", **more):
    return client.chat.completions.create(model=model, messages=messages, **more)


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def finishes_of(chunks):
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def usages_of(chunks):
    return [chunk.usage for chunk in chunks if chunk.usage]


def calls_of(chunks):
    """Tool calls put together as the SDK's helper does: every piece appended, by index."""
    calls = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += piece.id or ""
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
    return [calls[index] for index in sorted(calls)]
