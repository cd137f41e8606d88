"""What is done to a real log is found by `yumen audit verify` and by the independent verifier alike; what befalls it honestly
is held against nobody. And its checkpoints leave the host: to a file, to a URL, to a witness."""

import base64
import hashlib
import http.server
import json
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from support import Gateway, binary, eventually, hash_of

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import verify as independent  # noqa: E402

KEY = "ym-auditor"


def config(sim_url, checkpoint):
    return {
        "providers": {"near": {"vendor": "vllm", "base_url": f"{sim_url}/openai/v1", "clearance": "restricted"}},
        "models": {"m": {"targets": [{"provider": "near", "model": "m"}]}},
        "keys": [{"id": "auditor", "hash": hash_of(KEY)}],
        "checkpoint": checkpoint,
    }


def start(sim_url, folder, checkpoint):
    whole = config(sim_url, None)
    whole.pop("checkpoint")
    audit = {"dir": str(folder / "audit"), "checkpoint": checkpoint}
    return Gateway({**whole, "audit": audit, "drain": {"accept": "100ms"}}, folder)


def ask(gateway, count):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
    for _ in range(count):
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        request = urllib.request.Request(f"{gateway.url}/v1/chat/completions", body, headers)
        try:
            urllib.request.urlopen(request, timeout=10).read()
        except urllib.error.HTTPError:
            pass  # A refusal is an entry as well.


def ours(folder, *more):
    command = [binary("yumen", "YUMEN_BIN"), "audit", "verify", str(folder), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return report


def theirs(folder):
    command = [sys.executable, independent.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.returncode == 0, done.stdout


def assert_holds(folder, *more):
    report = ours(folder, *more)
    assert report["ok"], report["problems"]
    holds, said = theirs(folder)
    assert holds, said
    return report


def covered(folder):
    """How many entries the newest checkpoint covers."""
    newest = folder / "tree" / "checkpoint"
    return int(newest.read_text().split("\n")[1]) if newest.exists() else 0


@pytest.fixture(scope="module")
def log(sim_url, tmp_path_factory):
    """Three runs: one that ended well, one that was killed, one that ended well. All of it is covered."""
    folder = tmp_path_factory.mktemp("log")
    for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        gateway = start(sim_url, folder, {"every": "300ms", "entries": 50, "origin": "example.com/test"})
        before = covered(folder / "audit")
        ask(gateway, 30)
        eventually(lambda: covered(folder / "audit") > before, "a checkpoint of this run")
        ask(gateway, 30)
        gateway.process.stop(how)
        assert_holds(folder / "audit")
    report = assert_holds(folder / "audit")
    assert report["covered"] == report["end"] > 300 and report["checkpoints"] > 2
    return folder / "audit"


def test_it_holds_whole_and_with_its_own_checkpoint(log, tmp_path):
    shutil.copy(log / "tree" / "checkpoint", tmp_path / "kept")
    key = (log / "tree" / "key.pub").read_text().strip()
    assert_holds(log, "--key", key, "--checkpoint", str(tmp_path / "kept"))


def reframed(record, change):
    """The record with other bytes and a checksum that fits."""
    counted = change(bytearray(record[8:]))
    return struct.pack("<II", len(counted), independent.crc32c(counted)) + bytes(counted)


def harms(log, chance):
    """Names of files and what they then hold; None: gone."""
    segments = sorted(p for p in log.glob("*.seg") if p.stat().st_size > 64)
    for path in segments:
        data, at, bounds = path.read_bytes(), 64, [64]
        while at < len(data):
            at += 8 + struct.unpack_from("<I", data, at)[0]
            bounds.append(at)
        for _ in range(4):
            bit = chance.randrange(len(data) * 8)
            bad = bytearray(data)
            bad[bit // 8] ^= 1 << bit % 8
            yield f"bit {bit}", {path: bad}
        n = chance.randrange(len(bounds) - 1)
        a, b = bounds[n], bounds[n + 1]
        one = data[a:b]
        edited = reframed(one, lambda counted: counted[:-3] + bytes([counted[-3] ^ 1]) + counted[-2:])
        yield "edited with its checksum", {path: data[:a] + edited + data[b:]}
        yield "removed", {path: data[:a] + data[b:]}
        yield "repeated", {path: data[:b] + one + data[b:]}
        yield "cut", {path: data[: bounds[-2] + 9]}
        yield "last one cut off", {path: data[: bounds[-2]]}
        if n + 2 < len(bounds):
            yield "swapped", {path: data[:a] + data[b : bounds[n + 2]] + one + data[bounds[n + 2] :]}
        yield "segment removed", {path: None}
    first, second = segments[0], segments[1]
    yield "segments swapped", {first: second.read_bytes(), second: first.read_bytes()}
    yield "segment copied", {log / "0000000999-00.seg": first.read_bytes()}
    tree = log / "tree"
    tiles = [p for p in (tree / "tile").rglob("*") if p.is_file()]
    tiles = chance.sample(sorted(tiles), min(6, len(tiles)))
    for path in [tree / "checkpoints", tree / "checkpoint", tree / "key.pub", *tiles]:
        data = path.read_bytes()
        for _ in range(4):
            bit = chance.randrange(len(data) * 8)
            bad = bytearray(data)
            bad[bit // 8] ^= 1 << bit % 8
            yield f"bit {bit}", {path: bad}
    yield "no checkpoints", {tree / "checkpoints": None}


@pytest.mark.timeout(400)
def test_whatever_is_done_to_it_is_found_by_both(log, tmp_path):
    harmed, missed = tmp_path / "audit", []
    shutil.copytree(log, harmed)
    for what, files in harms(harmed, random.Random(7)):
        before = {path: path.read_bytes() if path.exists() else None for path in files}

        def put(contents):
            for path, data in contents.items():
                path.unlink(missing_ok=True) if data is None else path.write_bytes(data)

        put(files)
        for name, holds in (("ours", ours(harmed)["ok"]), ("theirs", theirs(harmed)[0])):
            if holds:
                missed.append(f"{what} of {[path.name for path in files]}: not found by {name}")
        put(before)
    assert not missed, missed
    assert_holds(harmed)


def test_a_third_party_checks_a_proof_with_the_key_alone(log):
    command = [binary("yumen", "YUMEN_BIN"), "audit", "show", str(log), "--index", "77", "--proof", "--json"]
    proof = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    text, lines = proof["checkpoint"].split("\n\n")
    name, _, key = (log / "tree" / "key.pub").read_text().strip().split("+", 2)
    signature = base64.b64decode(lines.split()[2])[4:]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(signature, f"{text}\n".encode())
    origin, size, root = text.splitlines()
    assert origin == name
    sha = independent.sha
    found, at, last = sha(b"\0" + base64.b64decode(proof["leaf_data"])), 77, int(size) - 1
    for sibling in map(base64.b64decode, proof["path"]):
        if at & 1 or at == last:
            found = sha(b"\1" + sibling + found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = sha(b"\1" + found + sibling)
        at, last = at >> 1, last >> 1
    assert last == 0 and found == base64.b64decode(root)


class Witness(http.server.BaseHTTPRequestHandler):
    """A witness after C2SP tlog-witness, and an anchor at any other path."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        server = self.server
        if not self.path.endswith("/add-checkpoint"):
            server.anchored.append((self.headers["authorization"], body))
            return self.answer(204, "")
        old, *proof = body.split("\n\n", 1)[0].splitlines()
        text = body.split("\n\n", 1)[1].split("\n\n")[0] + "\n"
        _, size, root = text.splitlines()
        known = server.known
        if int(old.split()[1]) != known[0]:
            return self.answer(409, f"{known[0]}\n")
        if known[0] and not consistent(known, (int(size), base64.b64decode(root)), [base64.b64decode(p) for p in proof]):
            return self.answer(422, "")
        server.known = int(size), base64.b64decode(root)
        seconds = 1_800_000_000
        signature = server.key.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        line = server.id + struct.pack(">Q", seconds) + signature
        self.answer(200, f"— w.example {base64.b64encode(line).decode()}\n")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


def consistent(old, new, proof):
    """RFC 9162, 2.1.4.2."""
    at, last, sha = old[0] - 1, new[0] - 1, independent.sha
    while at & 1:
        at, last = at >> 1, last >> 1
    if old[0] & (old[0] - 1) == 0:
        proof = [old[1], *proof]
    left = right = proof[0]
    for hash in proof[1:]:
        if at & 1 or at == last:
            left, right = sha(b"\1" + hash + left), sha(b"\1" + hash + right)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            right = sha(b"\1" + right + hash)
        at, last = at >> 1, last >> 1
    return last == 0 and (left, right) == (old[1], new[1])


def test_checkpoints_leave_the_host_and_come_back_cosigned(sim_url, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Witness)
    server.key, server.known, server.anchored = Ed25519PrivateKey.generate(), (0, b""), []
    public = b"\4" + server.key.public_key().public_bytes_raw()
    server.id = hashlib.sha256(b"w.example\n" + public).digest()[:4]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    checkpoint = {
        "every": "200ms",
        "anchors": [{"file": str(tmp_path / "kept")}, {"url": f"{url}/store", "token": "planted-anchor-token"}],
        "witnesses": [{"url": url, "key": f"w.example+{server.id.hex()}+{base64.b64encode(public).decode()}"}],
    }
    for _ in range(2):
        gateway = start(sim_url, tmp_path, checkpoint)
        ask(gateway, 20)
        size = server.known[0]
        ask(gateway, 5)
        eventually(lambda: server.known[0] > size, "a newer checkpoint at the witness")
        gateway.process.stop(signal.SIGTERM)
    newest = (tmp_path / "audit" / "tree" / "checkpoint").read_text()
    report = assert_holds(tmp_path / "audit", "--checkpoint", str(tmp_path / "kept"))
    assert report["cosignatures"] >= 2 and "— w.example " in newest
    # The last checkpoint, which covers the last entry, was waited for.
    assert server.known[0] == report["covered"] == report["end"]
    assert newest.split("\n\n")[0] in (tmp_path / "kept").read_text()
    assert server.anchored[-1][0] == "Bearer planted-anchor-token"
    assert server.anchored[-1][1].split("\n\n")[0] == newest.split("\n\n")[0]
    # With the log cut back behind what left the host, the anchor's copy shows it.
    (tmp_path / "audit" / "tree" / "checkpoint").unlink()
    listed = tmp_path / "audit" / "tree" / "checkpoints"
    blocks = listed.read_text().split("\n\n")
    listed.write_text("\n\n".join(blocks[:2]) + "\n\n")
    report = ours(tmp_path / "audit", "--checkpoint", str(tmp_path / "kept"))
    assert report["covered"] < report["end"]
    server.shutdown()
