"""Vectors of a real server, through the gateway and straight from it."""

import struct

import httpx
import pytest


def test_vectors_are_the_servers_own(client, vectors):
    texts = ["hello", "你好", "a \"quoted\"\nline"]

    def ask(texts):
        body = {"model": "noise.gguf", "input": texts}
        return httpx.post(f"{vectors}/v1/embeddings", json=body, timeout=30).json()

    straight = ask(texts)
    # The SDK asks for base64 and decodes it.
    reply = client.embeddings.create(model="vectors", input=texts)
    assert [row.index for row in reply.data] == [0, 1, 2]
    for mine, own in zip(reply.data, straight["data"]):
        # Bit by bit: what the server wrote as a number is the nearest 32-bit float.
        own = [struct.unpack("<f", struct.pack("<f", number))[0] for number in own["embedding"]]
        assert mine.embedding == own
    assert reply.usage.prompt_tokens == straight["usage"]["prompt_tokens"]
    # A text alone has another vector here than among others: the server's own doing.
    floats = client.embeddings.create(model="vectors", input=texts[1], encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(ask([texts[1]])["data"][0]["embedding"], rel=1e-6)
