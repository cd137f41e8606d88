"""The official Google Gen AI SDK in front of one gateway with vendors of several kinds behind it.

Its own vendor, one of OpenAI's dialect, one with a native protocol, and Anthropic.
"""

import pytest
from google import genai
from google.genai import types
from support import Gateway, hash_of

KEY = "ym-tester"
UPSTREAMS = {
    "gemini": ("/gemini/v1beta", "gemini-3-sim"),
    "wenxin": ("/v2", "ernie-4.0-turbo-8k"),
    "tongyi": ("/api/v1", "qwen-plus"),
    "anthropic": ("/anthropic", "claude-3-7-sonnet-sim"),
}
ENDINGS = ["", "@status:500", "@status:503", "@status:429@retryafter:3", "@html", "@errorevent:4@gap:20", "@cutevent:4@gap:20", "@split:1", "@piece:1"]


@pytest.fixture(scope="session")
def gateway(sim, tmp_path_factory):
    providers, models = {}, {}
    for vendor, (path, model) in UPSTREAMS.items():
        providers[vendor] = {"vendor": vendor, "base_url": sim.url + path, "api_key": "sk-fake-0001", "clearance": "internal"}
        for ending in ENDINGS:
            models[f"{vendor}{ending}"] = {"lossy": "drop", "targets": [{"provider": vendor, "model": model + ending}]}
    keys = [
        {"id": "tester", "hash": hash_of(KEY)},
        {"id": "narrow", "hash": hash_of("ym-narrow"), "models": ["tongyi"]},
    ]
    config = {"providers": providers, "models": models, "keys": keys, "stream": {"ping": "100ms"}}
    started = Gateway(config, tmp_path_factory.mktemp("google"))
    yield started
    started.close()


@pytest.fixture(params=UPSTREAMS)
def vendor(request):
    return request.param


@pytest.fixture(scope="session")
def connect(gateway):
    """A client for a key; making one takes long. No retries, or they would hide what is tested."""
    clients = {}

    def client(key=KEY, api_version=None):
        if (key, api_version) not in clients:
            options = types.HttpOptions(base_url=gateway.url, timeout=30_000, api_version=api_version)
            clients[key, api_version] = genai.Client(api_key=key, http_options=options)
        return clients[key, api_version]

    yield client
    for made in clients.values():
        made.close()


@pytest.fixture
def client(connect):
    return connect()
