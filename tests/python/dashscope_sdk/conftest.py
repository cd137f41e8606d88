"""The official DashScope SDK in front of one gateway with vendors of several kinds behind it.

Its own vendor, one of OpenAI's dialect, one of Anthropic's, and one with an odd take on OpenAI's.
"""

import dashscope
import pytest
from support import GLM_KEY, Gateway, hash_of

KEY = "ym-tester"
UPSTREAMS = {
    "tongyi": ("/api/v1", "sk-fake-0001", "qwen-plus"),
    "openai-compatible": ("/openai/v1", "sk-fake-0001", "m"),
    "anthropic": ("/anthropic", "sk-ant-fake-0001", "claude-3-7-sonnet-sim"),
    "glm": ("/api/paas/v4", GLM_KEY, "glm-4-plus"),
}
ENDINGS = ["", "@status:500", "@status:429@retryafter:3", "@html", "@errorevent:4@gap:20", "@cutevent:4@gap:20", "@split:1", "@piece:1"]


@pytest.fixture(scope="session")
def gateway(sim, tmp_path_factory):
    providers, models = {}, {}
    for vendor, (path, key, model) in UPSTREAMS.items():
        providers[vendor] = {"vendor": vendor, "base_url": sim.url + path, "api_key": key, "clearance": "internal"}
        for ending in ENDINGS:
            models[f"{vendor}{ending}"] = {"lossy": "drop", "targets": [{"provider": vendor, "model": model + ending}]}
    models["sees"] = {"targets": [{"provider": "tongyi", "model": "qwen-vl-plus"}]}
    keys = [
        {"id": "tester", "hash": hash_of(KEY)},
        {"id": "narrow", "hash": hash_of("ym-narrow"), "models": ["glm"]},
    ]
    started = Gateway({"providers": providers, "models": models, "keys": keys}, tmp_path_factory.mktemp("dashscope"))
    yield started
    started.close()


@pytest.fixture(autouse=True)
def point_at_gateway(gateway, monkeypatch):
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{gateway.url}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", KEY)


@pytest.fixture(params=UPSTREAMS)
def vendor(request):
    return request.param
