"""What every Python test has: the simulated vendors, and no way out of this machine."""

import socket

import pytest
from support import Sim


@pytest.fixture(scope="session")
def sim(tmp_path_factory):
    """SIM_URL names a running one; else `yumen-sim` is started, from SIM_BIN or the debug build."""
    sim = Sim(tmp_path_factory.mktemp("sim"))
    yield sim
    sim.close()


@pytest.fixture(scope="session")
def sim_url(sim):
    return sim.url


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
