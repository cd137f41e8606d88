"""`yumen demo`, as a newcomer meets it: start it, paste every command that it prints, read the answers.

The commands are taken from its output, so a command that is printed and does not work fails here. None of them may need
more than bash and curl.
"""

import json
import re
import signal
import subprocess
import time

import openai
import pytest
from support import Process, binary, without_proxies

PASTE_SECONDS = 60


class Demo:
    def __init__(self, folder):
        command = [binary("yumen", "YUMEN_BIN"), "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        self.began = time.monotonic()
        self.process = Process(command, folder / "demo.log", cwd=folder)
        ready = self.process.until(r"^ready listen=(\S+) admin=(\S+)$")
        self.url, self.admin = ready[1], ready[2]
        self.ready_seconds = time.monotonic() - self.began
        self.process.until(r"Ctrl-C", seconds=10)
        self.commands = commands_in(self.process.printed)

    def paste(self, word):
        """Runs the only printed command that holds `word`; answers what it wrote."""
        (command,) = [command for command in self.commands if word in command]
        ran = paste(command)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def commands_in(lines):
    """Each begins with `curl` and goes on while lines end in a backslash."""
    commands, open_ = [], False
    for line in lines:
        if open_:
            commands[-1] += "\n" + line
        elif line.lstrip().startswith("curl "):
            commands.append(line)
        else:
            continue
        open_ = line.endswith("\\")
    return commands


def paste(command):
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=PASTE_SECONDS, env=without_proxies()
    )


def split(answer):
    """Status, headers and JSON body of a `curl -i`."""
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    first, *rest = head.splitlines()
    headers = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
    return int(first.split()[1]), headers, json.loads(body)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    if demo.process.child.poll() is None:
        demo.process.stop()


def test_is_ready_at_once(demo):
    assert demo.ready_seconds < 10


def test_every_printed_command_works(demo):
    assert len(demo.commands) >= 5
    for command in demo.commands:
        ran = paste(command)
        assert ran.returncode == 0 and ran.stdout.strip(), f"{command}\n{ran.stderr}"


def test_says_what_is_simulated(demo):
    told = "\n".join(demo.process.printed)
    assert "SIMULATED" in told and "ym-demo" in told


def test_models(demo):
    listed = json.loads(demo.paste("/v1/models"))["data"]
    assert len(listed) >= 5 and all(model["object"] == "model" for model in listed)


def test_a_stream(demo):
    """Paced like a person's reading, in OpenAI's dialect, and it echoes what was asked."""
    events = [line[6:] for line in demo.paste('"stream":true').splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]" and len(events) > 5
    chunks = [json.loads(event) for event in events[:-1]]
    said = "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"])
    assert "simulated" in said and "玉门关" in said


def test_personal_data_leaves_as_labels(demo):
    """The vendor echoes what it got: the number is put back, the address is not."""
    status, headers, body = split(demo.paste("13800138000"))
    said = body["choices"][0]["message"]["content"]
    assert status == 200 and headers["x-yumen-verdict"] == "redact"
    assert "13800138000" in said and "<EMAIL_1>" in said and "zhang.wei" not in said
    received = demo.paste("/__sim/requests")
    assert "CN_MOBILE_1" in received and "13800138000" not in received and "zhang.wei" not in received


def test_a_secret_is_refused(demo):
    status, headers, body = split(demo.paste("AKIA"))
    assert status == 403 and body["error"]["code"] == "policy_refused" and "no-secrets" in body["error"]["message"]
    assert "AKIA" not in json.dumps(body) and "x-yumen-provider" not in headers


def test_source_code_stays_at_home(demo):
    status, headers, _ = split(demo.paste("def settle"))
    assert status == 200 and headers["x-yumen-verdict"] == "reroute" and headers["x-yumen-provider"] == "local"


def test_a_graded_request_stays_at_home(demo):
    status, headers, body = split(demo.paste("x-yumen-grade: restricted"))
    assert status == 200 and body["choices"][0]["message"]["content"]
    assert headers["x-yumen-verdict"] == "reroute" and headers["x-yumen-grade"] == "restricted"


def test_a_restricted_key_is_refused(demo):
    status, headers, body = split(demo.paste("Bearer ym-demo-restricted"))
    assert status == 403 and body["error"]["code"] == "no_cleared_provider"
    assert "x-yumen-provider" not in headers


def test_failover(demo):
    status, headers, _ = split(demo.paste('"unlucky"'))
    assert status == 200 and headers["x-yumen-attempts"] == "2"


def test_tools(demo):
    (call,) = json.loads(demo.paste('"tools"'))["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather" and json.loads(call["function"]["arguments"])["city"] == "北京"


def test_metrics(demo):
    assert re.search(r"^yumen_http_requests_total\{", demo.paste("/metrics"), re.M)


def test_the_printed_python_line(demo):
    (line,) = [line for line in demo.process.printed if "OpenAI(" in line]
    client = eval(line[line.index("OpenAI(") :], {"OpenAI": openai.OpenAI})
    listed = [model.id for model in client.models.list()]
    assert "assistant" in listed
    chunks = client.chat.completions.create(
        model="glm", messages=[{"role": "user", "content": "hi"}], stream=True, max_tokens=8
    )
    assert any(choice.delta.content for chunk in chunks for choice in chunk.choices)


def test_the_printed_audit_command(demo):
    """Last but one: by now there are requests of every kind in the log."""
    (line,) = [line for line in demo.process.printed if " audit show " in line]
    command = re.search(r"\S*yumen audit show \S+", line)[0]
    ran = paste(command)
    assert ran.returncode == 0 and "no_cleared_provider" in ran.stdout, ran.stderr


def test_ends_by_ctrl_c(demo):
    """Whoever presses Ctrl-C has the prompt back soon, and nothing is left behind."""
    assert demo.process.stop(signal.SIGINT) == 0
