"""The vendors' official SDKs talk straight to the simulator, which proves the simulator right.

SIM_URL is the origin that `yumen-sim` printed after `ready`. Without it the tests start `yumen-sim` themselves, from
SIM_BIN or from target/debug. Nothing but loopback is spoken to.
"""

import os
import pathlib
import socket
import subprocess

import pytest

GLM_KEY = "0123456789abcdef0123456789abcdef.FakeSecretForTest"
BCE_ACCESS_KEY = "ALTAKfakeaccesskey0001"
BCE_SECRET_KEY = "fakesecretkey0000000000000000001"

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


@pytest.fixture(scope="session")
def sim_url():
    given = os.environ.get("SIM_URL")
    if given:
        yield given.rstrip("/")
        return
    root = pathlib.Path(__file__).resolve().parents[3]
    binary = os.environ.get("SIM_BIN", str(root / "target" / "debug" / "yumen-sim"))
    process = subprocess.Popen([binary], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch):
    """An SDK that wants to phone home fails its test."""
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name not in ("127.0.0.1", "localhost", "::1", None):
            raise AssertionError(f"{name} is not loopback")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
