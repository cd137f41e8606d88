"""The READMEs promise only what holds: their configs are usable, both say the same, and both give the two commands."""

import re
import subprocess

import pytest
from support import ROOT, binary, without_proxies

READMES = ["README.md", "README.zh.md"]
ACCOUNTS = {"DASHSCOPE_API_KEY": "a", "QIANFAN_API_KEY": "b", "ZHIPUAI_API_KEY": "c.d"}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_its_config_can_be_used(name, tmp_path):
    (config,) = re.findall(r"```yaml\n(.*?)```", read(name), re.S)
    path = tmp_path / "yumen.yaml"
    path.write_text(config, encoding="utf-8")
    checked = subprocess.run(
        [binary("yumen", "YUMEN_BIN"), "check", "-c", path],
        capture_output=True,
        text=True,
        timeout=30,
        env=without_proxies(**ACCOUNTS),
        cwd=tmp_path,
    )
    assert checked.returncode == 0, checked.stderr
    # Plain http to a private address is worth no warning; anything else would be a bad example.
    assert "ok, 0 warnings" in checked.stderr


@pytest.mark.parametrize("name", READMES)
def test_it_gives_the_two_commands(name):
    assert "\ncargo run --release -- demo " in read(name) and "\nscripts/test " in read(name)
    assert (ROOT / "scripts/test").stat().st_mode & 0o111


def test_both_say_the_same():
    """The same commands, codes, headers and vendors, in the same order, in both languages."""

    def facts(text):
        text = re.sub(r"(?m)\s+#.*$", "", text)
        return re.findall(r"`([a-z_-]+)`", text), re.findall(r"(?m)^curl .*$", text), text.count("\n## ")

    assert facts(read(READMES[0])) == facts(read(READMES[1]))


def test_all_codes_are_listed():
    """Every code that this version can send, from the one table there is."""
    table = read("gateway/wire/src/fault.rs")
    known = set(re.findall(r'Self::\w+ => "([a-z_]+)"', table))
    listed = set(re.findall(r"(?m)^\| `([a-z_]+)` \| \d", read(READMES[0])))
    assert known == listed
