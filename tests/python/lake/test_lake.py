"""The lake as its readers see it: Parquet that pyarrow and DuckDB read, one table over all replicas, every row once,
whatever becomes of the store and of the gateway. What is there is compared with `yumen audit export`."""

import datetime
import json
import signal
import subprocess
import urllib.request

import duckdb
import pyarrow.dataset
import pyarrow.parquet
import pytest
from store import BUCKET, Door, Store
from support import Gateway, binary, eventually, hash_of

KEY = "ym-lake-test-key-0001"
TIMES = {"time", "ended", "asked_at"}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture
def door(store):
    door = Door(store)
    yield door
    door.close()


def start(sim, folder, lake, replica, **audit):
    return Gateway(
        {
            "providers": {
                "p": {"vendor": "openai-compatible", "base_url": sim.url + "/openai/v1", "api_key": "sk-any", "clearance": "restricted"}
            },
            "models": {"assistant": {"targets": [{"provider": "p", "model": "some-model"}]}},
            "keys": [{"id": "lake-test", "hash": hash_of(KEY)}],
            "policies": {"packs": ["cn-pipl"]},
            "audit": {"dir": str(folder / "audit"), "replica": replica, "lake": lake, **audit},
            "drain": {"accept": "10ms", "limit": "1s"},
        },
        folder,
    )


def at_store(store, door, prefix, **options):
    return {
        "url": f"s3://{BUCKET}/{prefix}",
        "every": "1s",
        "options": {
            "endpoint": door.url,
            "region": "us-east-1",
            "access_key_id": store.key,
            "secret_access_key": store.secret,
            **options,
        },
    }


def ask(gateway, text, key=KEY):
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": text}]}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{gateway.url}/v1/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            reply.read()
    except urllib.error.HTTPError as error:
        error.read()


def exported(folder):
    done = subprocess.run(
        [binary("yumen", "YUMEN_BIN"), "audit", "export", str(folder / "audit"), "--format", "jsonl"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def plain(row):
    """A row of the table as the export writes it: no nulls, times in ms, findings as a map."""
    out = {}
    for name, value in row.items():
        if value is None or name in ("replica", "log", "date"):
            continue
        if name in TIMES:
            value = round((value.astimezone(datetime.timezone.utc) - EPOCH) / datetime.timedelta(milliseconds=1))
        elif name in ("findings", "reply_findings"):
            value = dict(value)
        elif name in ("attempts", "extra"):
            value = json.loads(value)
        out[name] = value
    return out


def by_place(rows):
    return sorted(rows, key=lambda row: (row["settled"], row["index"]))


def of_gateway(rows):
    """What the gateway wrote: the export itself, and what it wakes, are events behind its last one."""
    rows = list(rows)
    end = max(row["settled"] for row in rows if row.get("what") == "stop")
    return by_place(row for row in rows if row["settled"] <= end)


def from_arrow(folder):
    dataset = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive", exclude_invalid_files=False)
    return dataset.to_table().to_pylist()


def from_duckdb(folder):
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.execute(
            "select * from read_parquet(?, hive_partitioning = true)", [f"{folder}/date=*/*.parquet"]
        )
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row)) for row in found.fetchall()]
    for row in rows:
        # DuckDB's maps come as dictionaries, or as keys and values.
        for name in ("findings", "reply_findings"):
            if isinstance(row[name], dict) and set(row[name]) == {"key", "value"}:
                row[name] = dict(zip(row[name]["key"], row[name]["value"]))
    return rows


def finish(gateway):
    """An orderly end ships what is left."""
    assert gateway.process.stop(signal.SIGTERM) == 0


def check_files(folder):
    for path in folder.glob("date=*/*.parquet"):
        file = pyarrow.parquet.ParquetFile(path)
        metadata = file.schema_arrow.metadata or file.metadata.metadata
        assert file.metadata.metadata[b"yumen.schema_version"] == b"1", metadata
        date = path.parent.name.removeprefix("date=")
        assert {str(time.date()) for time in file.read(["time"])["time"].to_pylist()} == {date}
        assert str(file.schema_arrow.field("time").type) == "timestamp[ms, tz=UTC]"


def test_a_directory_is_read_by_pyarrow_and_duckdb_as_the_export_says(sim, tmp_path):
    gateway = start(sim, tmp_path, {"url": str(tmp_path / "lake"), "every": "1s"}, "gw-1")
    ask(gateway, "hello")
    ask(gateway, "身份证 11010519491231002X, mail ada@example.org and bob@example.org")
    ask(gateway, "hello", key="ym-no-such-key")
    eventually(lambda: list((tmp_path / "lake").glob("date=*/*.parquet")), "a file")
    ask(gateway, "once more")
    finish(gateway)
    check_files(tmp_path / "lake")
    wanted = of_gateway(exported(tmp_path))
    assert [row for row in wanted if row["kind"] == "request" and row.get("findings")]
    arrow = from_arrow(tmp_path / "lake")
    assert {row["replica"] for row in arrow} == {"gw-1"}
    assert by_place(map(plain, arrow)) == wanted
    assert by_place(map(plain, from_duckdb(tmp_path / "lake"))) == wanted
    with duckdb.connect() as connection:
        told = connection.execute(
            f"select sum(findings['EMAIL']) from '{tmp_path}/lake/date=*/*.parquet' where outcome = 'completed'"
        ).fetchone()
    assert told == (2,)


def test_export_to_parquet_agrees_with_export_to_lines(sim, tmp_path):
    gateway = start(sim, tmp_path, {"url": str(tmp_path / "lake"), "every": "1h"}, "gw-1")
    for text in ("one", "two mail ada@example.org"):
        ask(gateway, text)
    finish(gateway)
    binary_path = binary("yumen", "YUMEN_BIN")
    (tmp_path / "parts").mkdir()
    for to in ("one.parquet", "parts"):
        arguments = [binary_path, "audit", "export", str(tmp_path / "audit"), "--format", "parquet", "-o", str(tmp_path / to)]
        subprocess.run(arguments, check=True, capture_output=True)
    wanted = of_gateway(exported(tmp_path))
    one = pyarrow.parquet.read_table(tmp_path / "one.parquet").to_pylist()
    assert of_gateway(map(plain, one)) == wanted
    assert of_gateway(map(plain, from_duckdb(tmp_path / "parts"))) == wanted


def test_two_replicas_are_one_table_in_a_store_that_checks_signatures(sim, store, door, tmp_path):
    gateways = [start(sim, tmp_path / name, at_store(store, door, "two"), name) for name in ("gw-a", "gw-b")]
    for number in range(4):
        for gateway in gateways:
            ask(gateway, f"number {number}")
    for gateway in gateways:
        finish(gateway)
    store.copy("two", tmp_path / "copy")
    check_files(tmp_path / "copy")
    rows = from_duckdb(tmp_path / "copy")
    for name in ("gw-a", "gw-b"):
        wanted = of_gateway(exported(tmp_path / name))
        assert by_place(plain(row) for row in rows if row["replica"] == name) == wanted
    assert len({row["log"] for row in rows}) == 2
    # The manifest names every file, and nothing else.
    named, below = set(), 0
    for name in store.names("two/_manifest/"):
        manifest = json.loads(store.read(name))
        named |= {f"two/{entry['path']}" for entry in manifest.get("files", [])}
        below += "below" in manifest
    assert named == {name for name in store.names("two/") if name.endswith(".parquet")}
    assert below == 2


def test_a_wrong_key_stores_nothing_and_is_told(sim, store, door, tmp_path):
    gateway = start(sim, tmp_path, at_store(store, door, "wrong", secret_access_key="planted-wrong-secret"), "gw-1")
    errors = 'yumen_audit_export_errors_total{to="lake"}'
    eventually(lambda: [line for line in gateway.metrics().splitlines() if line.startswith(errors) and not line.endswith(" 0")], "an error", 30)
    assert store.names("wrong/") == []
    assert "planted-wrong-secret" not in gateway.process.stderr_path.read_text()
    gateway.close()


def test_killed_between_upload_and_manifest_every_row_is_there_once(sim, store, door, tmp_path):
    lake = at_store(store, door, "crash")
    door.lets = lambda method, path: not (method == "PUT" and "_manifest" in path)
    door.holds = True
    gateway = start(sim, tmp_path, lake, "gw-1")
    for number in range(3):
        ask(gateway, f"number {number}")
    eventually(lambda: door.refused, "a manifest on its way", 30)
    uploaded = [name for name in store.names("crash/") if name.endswith(".parquet")]
    assert uploaded
    ask(gateway, "after the upload")
    gateway.process.stop(signal.SIGKILL)
    door.lets = lambda method, path: True
    gateway = start(sim, tmp_path, lake, "gw-1")
    ask(gateway, "after the crash")
    finish(gateway)
    assert set(uploaded) <= set(store.names("crash/"))
    store.copy("crash", tmp_path / "copy")
    rows = by_place(map(plain, from_arrow(tmp_path / "copy")))
    assert rows == of_gateway(exported(tmp_path))
    # The first file was put a second time, under its name.
    assert sum(path.endswith(uploaded[0].split("/")[-1]) for path in door.puts) == 2


def test_a_store_that_is_down_is_caught_up_with(sim, store, door, tmp_path):
    door.lets = lambda method, path: False
    gateway = start(sim, tmp_path, at_store(store, door, "down"), "gw-1")
    for number in range(3):
        ask(gateway, f"number {number}")
    eventually(lambda: len(door.refused) > 2, "tries", 30)
    lag = 'yumen_audit_export_lag_records{to="lake"} '
    line = eventually(lambda: [line for line in gateway.metrics().splitlines() if line.startswith(lag)], "the lag")
    assert int(line[0].split()[-1]) > 0
    door.lets = lambda method, path: True
    eventually(lambda: [name for name in store.names("down/") if name.endswith(".parquet")], "a file", 90)
    finish(gateway)
    store.copy("down", tmp_path / "copy")
    rows = by_place(map(plain, from_arrow(tmp_path / "copy")))
    assert rows == of_gateway(exported(tmp_path))


def test_checkpoints_are_kept_in_the_store(sim, store, door, tmp_path):
    lake = at_store(store, door, "rows")
    anchor = {"object": f"s3://{BUCKET}/checkpoints", "options": lake["options"]}
    checkpoint = {"every": "200ms", "anchors": [anchor, {"object": str(tmp_path / "kept")}]}
    gateway = start(sim, tmp_path, lake, "gw-1", checkpoint=checkpoint)
    for number in range(3):
        ask(gateway, f"number {number}")
        eventually(lambda: len(store.names("checkpoints/")) > number, "a checkpoint in the store")
    finish(gateway)
    newest = (tmp_path / "audit" / "tree" / "checkpoint").read_text().split("\n\n")[0]
    names = store.names("checkpoints/")
    assert store.read(names[-1]).decode().split("\n\n")[0] == newest
    assert int(names[-1].split("/")[-1]) == int(newest.split("\n")[1])
    files = sorted((tmp_path / "kept").iterdir())
    assert files[-1].read_text().split("\n\n")[0] == newest
    for kept in files:
        done = subprocess.run(
            [binary("yumen", "YUMEN_BIN"), "audit", "verify", str(tmp_path / "audit"), "--checkpoint", str(kept)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
