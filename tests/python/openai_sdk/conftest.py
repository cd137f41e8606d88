"""Gateways in front of the simulator, and the official SDK in front of them.

One gateway per kind of upstream, started when a test first asks for it, with a model for every ending of the
simulator's names. Keys: `ym-tester` may do everything; the others are `ym-` and their id, each with one narrow right.
"""

import uuid

import openai
import pytest
from chat import KEY
from support import Gateway, hash_of
from upstreams import ENDINGS, FEW, UNLIKE, UPSTREAMS


def models_of(upstream):
    def model(name, **more):
        return {"targets": [{"provider": upstream.name, "model": name}], **more}

    models = {f"m{ending}": model(f"m{ending}") for ending in ENDINGS}
    for what, code in (("too-long", upstream.too_long), ("filtered", upstream.filtered)):
        if code:
            models[what] = model(f"m@code:{code}")
    models["nowhere"] = model("no-such")
    models["drops"] = model("m", lossy="drop")
    models["refuses"] = model("m", lossy="refuse")
    models["sees"] = model(upstream.vision_model)
    models["slow"] = model("m@hang", timeouts={"first_content": "300ms"})
    models["stalls"] = model("m@stall:4", timeouts={"content_gap": "300ms"})
    models["locked-out"] = {"targets": [{"provider": "wrong-key", "model": "m"}]}
    models["second-try"] = {
        "targets": [
            {"provider": upstream.name, "model": "m@status:503"},
            {"provider": upstream.name, "model": "m@errorin200", "priority": 2},
            {"provider": upstream.name, "model": "m", "priority": 3},
        ]
    }
    return models


def config_of(upstream, sim_url):
    wrong = {**upstream.config(sim_url), "api_key": "sk-invalid.0001"}
    return {
        "providers": {upstream.name: upstream.config(sim_url), "wrong-key": wrong},
        "models": models_of(upstream),
        "keys": [
            {"id": "tester", "hash": hash_of(KEY)},
            {"id": "secretive", "hash": hash_of("ym-secretive"), "grade": "restricted"},
            {"id": "narrow", "hash": hash_of("ym-narrow"), "models": ["drops"]},
            {"id": "thrifty", "hash": hash_of("ym-thrifty"), "limits": {"rpm": 2}},
            {"id": "single", "hash": hash_of("ym-single"), "limits": {"concurrent": 1}},
        ],
    }


@pytest.fixture(scope="session")
def gateways(sim, tmp_path_factory):
    """Starts a gateway for an upstream, once."""
    started = {}

    def start(upstream):
        if upstream.name not in started:
            folder = tmp_path_factory.mktemp(upstream.name)
            started[upstream.name] = Gateway(config_of(upstream, sim.url), folder)
        return started[upstream.name]

    yield start
    for gateway in started.values():
        gateway.close()


def pytest_generate_tests(metafunc):
    """Which upstreams a test runs over: see `upstreams.UNLIKE`."""
    if "upstream" not in metafunc.fixturenames:
        return
    if openai.VERSION.startswith("1."):
        names = FEW
    elif metafunc.definition.get_closest_marker("each_vendor"):
        names = {upstream.name for upstream in UPSTREAMS}
    else:
        names = UNLIKE
    metafunc.parametrize("upstream", [upstream for upstream in UPSTREAMS if upstream.name in names], ids=str)


@pytest.fixture
def gateway(gateways, upstream):
    return gateways(upstream)


@pytest.fixture
def connect(gateway):
    """Makes a client for a key. No retries, or they would hide what is tested."""
    clients = []

    def client(key=KEY, kind=openai.OpenAI, **more):
        clients.append(kind(api_key=key, base_url=f"{gateway.url}/v1", **{"max_retries": 0, "timeout": 30, **more}))
        return clients[-1]

    yield client
    for made in clients:
        if isinstance(made, openai.OpenAI):
            made.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def mark():
    """A word that no other test says: finds this test's requests at the simulator."""
    return f"mark-{uuid.uuid4().hex[:12]}"
