"""A real llama.cpp server with a model made here, and the gateway in front of it."""

import pathlib
import subprocess
import sys

import httpx
import openai
import pytest
from support import Gateway, Process, hash_of

HERE = pathlib.Path(__file__).parent
KEY = "ym-llamacpp"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The model is written anew each time: it takes half a second."""
    path = tmp_path_factory.mktemp("model") / "noise.gguf"
    subprocess.run([sys.executable, HERE / "make_model.py", path], check=True, timeout=60)
    return path


def serve(model, folder, *flags):
    """A server, and its origin."""
    log = folder / "llama.log"
    server = Process([sys.executable, HERE / "serve.py", model, *flags], log, stdin=subprocess.PIPE)
    return server, server.until(r"^ready (\S+)$")[1]


@pytest.fixture(scope="session")
def llama(model, tmp_path_factory):
    """The origin of the server."""
    server, origin = serve(model, tmp_path_factory.mktemp("llama"))
    yield origin
    server.stop()


@pytest.fixture(scope="session")
def vectors(model, tmp_path_factory):
    """The origin of a server that makes vectors."""
    server, origin = serve(model, tmp_path_factory.mktemp("vectors"), "--vectors")
    yield origin
    server.stop()


@pytest.fixture(scope="session")
def gateway(llama, vectors, tmp_path_factory):
    local = {"vendor": "llamacpp", "base_url": llama, "clearance": "restricted"}
    config = {
        "providers": {"local": local, "vectors": {**local, "base_url": vectors}},
        "models": {
            "noise": {"targets": [{"provider": "local", "model": "noise.gguf"}]},
            "vectors": {"targets": [{"provider": "vectors", "model": "noise.gguf"}]},
        },
        "keys": [{"id": "tester", "hash": hash_of(KEY), "grade": "restricted"}],
    }
    gateway = Gateway(config, tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.close()


@pytest.fixture
def client(gateway):
    with openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def ask_both(gateway, llama):
    """Sends one body through the gateway and straight to the server; answers both raw replies."""

    def ask(**body):
        answers = []
        for origin, model in ((gateway.url, "noise"), (llama, "noise.gguf")):
            whole = {"model": model, "seed": 7, "cache_prompt": False, **body}
            headers = {"authorization": f"Bearer {KEY}"}
            answers.append(httpx.post(f"{origin}/v1/chat/completions", json=whole, headers=headers, timeout=30))
        return answers

    return ask
