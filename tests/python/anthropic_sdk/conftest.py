"""The official Anthropic SDK in front of one gateway with vendors of several kinds behind it.

Its own vendor, one of OpenAI's dialect, one with a native protocol, and one with an odd take on OpenAI's.
"""

import anthropic
import pytest
from support import GLM_KEY, Gateway, hash_of

KEY = "ym-tester"
UPSTREAMS = {
    "anthropic": ("/anthropic", "sk-ant-fake-0001", "claude-3-7-sonnet-sim"),
    "openai-compatible": ("/openai/v1", "sk-fake-0001", "m"),
    "tongyi": ("/api/v1", "sk-fake-0001", "qwen-plus"),
    "glm": ("/api/paas/v4", GLM_KEY, "glm-4-plus"),
}
ENDINGS = ["", "@status:500", "@status:503", "@status:429@retryafter:3", "@html", "@errorevent:4@gap:20", "@cutevent:4@gap:20", "@split:1", "@piece:1"]


@pytest.fixture(scope="session")
def gateway(sim, tmp_path_factory):
    providers, models = {}, {}
    for vendor, (path, key, model) in UPSTREAMS.items():
        providers[vendor] = {"vendor": vendor, "base_url": sim.url + path, "api_key": key, "clearance": "internal"}
        for ending in ENDINGS:
            models[f"{vendor}{ending}"] = {"lossy": "drop", "targets": [{"provider": vendor, "model": model + ending}]}
    keys = [
        {"id": "tester", "hash": hash_of(KEY)},
        {"id": "narrow", "hash": hash_of("ym-narrow"), "models": ["glm"]},
    ]
    started = Gateway({"providers": providers, "models": models, "keys": keys}, tmp_path_factory.mktemp("anthropic"))
    yield started
    started.close()


@pytest.fixture(params=UPSTREAMS)
def vendor(request):
    return request.param


@pytest.fixture
def connect(gateway):
    """Makes a client for a key. No retries, or they would hide what is tested."""
    clients = []

    def client(key=KEY, **more):
        clients.append(anthropic.Anthropic(api_key=key, base_url=gateway.url, max_retries=0, timeout=30, **more))
        return clients[-1]

    yield client
    for made in clients:
        made.close()


@pytest.fixture
def client(connect):
    return connect()
