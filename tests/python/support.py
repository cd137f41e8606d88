"""Starts the real executables and asks the simulator what it saw. Shared by all Python tests.

Nothing here knows a test: it finds binaries, starts and ends processes, and waits for facts with a bound. A missing
binary is an error, never a skip.
"""

import hashlib
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]

GLM_KEY = "0123456789abcdef0123456789abcdef.FakeSecretForTest"
BCE_ACCESS_KEY = "ALTAKfakeaccesskey0001"
BCE_SECRET_KEY = "fakesecretkey0000000000000000001"
BEDROCK_ACCESS_KEY = "AKIDSIMULATED0000001"
BEDROCK_SECRET_KEY = "SimulatedSecretKeyOfBedrock0001"
BLUELM_APP = "1080000001"
PANGU_ACCESS_KEY = "HW_TEST_AK_0001"
PANGU_SECRET_KEY = "HW_TEST_SK_secret_0001"
PANGU_PROJECT = "0123456789abcdef0123456789abcdef"
BLUELM_KEY = "VIVO_TEST_KEY_01"
SPARK_APP = "fakeapp1"
SPARK_KEY = "fakeapikey0123456789abcdef012345"
SPARK_SECRET = "FakeSparkSecretForTest"
SENSENOVA_ACCESS_KEY = "AK_TEST_0001"
SENSENOVA_SECRET_KEY = "SK_TEST_secret_0001"

# How long a process may take to say that it is ready: a debug build on a busy machine.
READY_SECONDS = 60
# How long anything else is waited for.
WAIT_SECONDS = 10

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


def binary(name, override):
    """The path of one of our executables; the environment variable `override` wins."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    path = pathlib.Path(os.environ.get(override) or ROOT / target / "debug" / name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `cargo build --workspace`, or set {override}")
    return str(path)


def hash_of(key):
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def without_proxies(**more):
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**env, **more}


class Process:
    """A child whose stdout is read line by line, so that it never blocks on a full pipe."""

    def __init__(self, arguments, stderr_to, **options):
        self.stderr_path = pathlib.Path(stderr_to)
        with open(self.stderr_path, "wb") as stderr:
            self.child = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=stderr, env=without_proxies(), text=True, **options
            )
        self.printed = []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, seconds):
        """The next line of stdout; None at its end or when time is over."""
        try:
            line = self._lines.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            return None
        if line is not None:
            self.printed.append(line)
        return line

    def until(self, pattern, seconds=READY_SECONDS):
        """Reads lines until one matches; fails with what the process said instead."""
        end = time.monotonic() + seconds
        while (line := self.line(end - time.monotonic())) is not None:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no line like {pattern!r}; stdout: {self.printed}; stderr: {self.stderr()}")

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")[-4000:]

    def stop(self, how=signal.SIGKILL):
        self.child.send_signal(how)
        code = self.child.wait(timeout=READY_SECONDS)
        self.child.stdout.close()
        return code


class Sim:
    """The simulated vendors."""

    def __init__(self, folder):
        given = os.environ.get("SIM_URL")
        self.process = None if given else Process([binary("yumen-sim", "SIM_BIN")], folder / "sim.log")
        self.url = given.rstrip("/") if given else self.process.until(r"^ready (\S+)$")[1]

    def requests(self):
        with urllib.request.urlopen(f"{self.url}/__sim/requests", timeout=WAIT_SECONDS) as reply:
            return json.load(reply)

    def one(self, mark):
        """The only request whose body holds `mark`."""
        found = self.all(mark)
        assert len(found) == 1, f"{len(found)} requests hold {mark}"
        return found[0]

    def all(self, mark):
        return [request for request in self.requests() if mark in request["body"]]

    def close(self):
        if self.process:
            self.process.stop()


class Gateway:
    """`yumen serve` on ports of its own, with this config (JSON is YAML)."""

    def __init__(self, config, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.audit = folder / "audit"
        whole = {
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "audit": {"dir": str(self.audit)},
            **config,
        }
        path = folder / "yumen.yaml"
        path.write_text(json.dumps(whole, indent=1, ensure_ascii=False))
        self.process = Process([binary("yumen", "YUMEN_BIN"), "serve", "-c", str(path)], folder / "yumen.log")
        ready = self.process.until(r"^ready listen=(\S+) admin=(\S+)$")
        self.url, self.admin = ready[1], ready[2]

    def metrics(self):
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=WAIT_SECONDS) as reply:
            return reply.read().decode()

    def close(self):
        self.process.stop()


def eventually(fact, what, seconds=WAIT_SECONDS):
    """Waits until `fact()` is true."""
    end = time.monotonic() + seconds
    while not (value := fact()):
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.02)
    return value
