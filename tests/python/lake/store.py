"""A real S3-speaking server that checks signatures (moto), and a door in front of it that can be shut."""

import http.client
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import http.server

import boto3
from botocore.config import Config

BUCKET = "audit"
# What makes the user, its key, its rights and the bucket; from then on every call must be signed by that key.
UNSIGNED = "4"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Store:
    def __init__(self, folder):
        self.port = free_port()
        env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": UNSIGNED}
        with open(folder / "moto.log", "wb") as log:
            arguments = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
            self.server = subprocess.Popen(arguments, stdout=log, stderr=log, env=env)
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end, (folder / "moto.log").read_text()
                time.sleep(0.05)
        iam = self.client("iam", "any", "any")
        iam.create_user(UserName="yumen")
        key = iam.create_access_key(UserName="yumen")["AccessKey"]
        self.key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        iam.put_user_policy(UserName="yumen", PolicyName="all", PolicyDocument=POLICY)
        self.client("s3", "any", "any").create_bucket(Bucket=BUCKET)
        self.s3 = self.client("s3", self.key, self.secret)

    def client(self, service, key, secret):
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"}),
        )

    def names(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def read(self, name):
        return self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def copy(self, prefix, to):
        """All objects below `prefix` as files: engines here cannot fetch what speaks S3 to them."""
        for name in self.names(prefix):
            path = pathlib.Path(to) / pathlib.PurePosixPath(name).relative_to(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(name))

    def close(self):
        self.server.kill()
        self.server.wait()


class Door:
    """Forwards to the store whatever `lets` lets through; the rest is answered 503, or never if `holds`."""

    def __init__(self, store):
        self.lets = lambda method, path: True
        self.holds = False
        self.refused = []
        self.puts = []
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (ConnectionError, ValueError):
                    self.close_connection = True

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if not door.lets(self.command, self.path):
                    door.refused.append(self.path)
                    if door.holds:
                        threading.Event().wait(30)
                    self.send_response(503)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                onward = http.client.HTTPConnection("127.0.0.1", store.port, timeout=30)
                # The host that was signed.
                onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    onward.putheader(name, value)
                onward.endheaders(body)
                answer = onward.getresponse()
                content = answer.read()
                if self.command == "PUT" and answer.status == 200:
                    door.puts.append(self.path)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", answer.getheader("content-length") or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
