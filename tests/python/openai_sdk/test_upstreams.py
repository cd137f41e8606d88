"""That no vendor is forgotten here."""

import json
import subprocess

from support import binary
from upstreams import UPSTREAMS


def test_every_vendor_has_a_row():
    told = subprocess.run([binary("yumen", "YUMEN_BIN"), "matrix", "--json"], capture_output=True, check=True, timeout=60)
    vendors = {vendor["name"] for vendor in json.loads(told.stdout)["vendors"]}
    rows = {upstream.provider["vendor"] for upstream in UPSTREAMS}
    # `openai` stands behind the same surface as the row `openai-compatible`.
    assert vendors - rows <= {"openai"} and rows <= vendors
