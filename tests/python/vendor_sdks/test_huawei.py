"""The simulated Pangu by Huawei Cloud's own signer: what it signs is taken, and nothing that was changed behind it."""

import json
from urllib.parse import urlsplit

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from support import PANGU_ACCESS_KEY, PANGU_PROJECT, PANGU_SECRET_KEY

USER = [{"role": "user", "content": "你好"}]


def signed(url, body, secret=PANGU_SECRET_KEY, **headers):
    parts = urlsplit(url)
    request = SdkRequest(
        method="POST",
        schema=parts.scheme,
        host=parts.netloc,
        resource_path=parts.path,
        query_params=[],
        header_params={"Content-Type": "application/json", "X-Project-Id": PANGU_PROJECT, **headers},
        body=json.dumps(body, ensure_ascii=False),
    )
    return Signer(BasicCredentials(PANGU_ACCESS_KEY, secret, PANGU_PROJECT)).sign(request)


def send(url, request):
    return httpx.post(url, headers=request.header_params, content=request.body)


@pytest.fixture(params=["/v1/{project}/deployments/pangu%20%E7%9B%98/chat/completions", "/api/v2/chat/completions"])
def surface(request, sim_url):
    """Address and a body."""
    second = "v2" in request.param
    url = sim_url + ("/pangu-v2" if second else "/pangu") + request.param.format(project=PANGU_PROJECT)
    return url, {"messages": USER, **({"model": "m"} if second else {})}


def test_a_signature(surface):
    url, body = surface
    reply = send(url, signed(url, body))
    assert reply.status_code == 200, reply.text
    assert reply.json()["choices"][0]["message"]["content"].endswith("你好")


def test_what_was_changed_is_refused(surface):
    url, body = surface
    other = signed(url, body, secret="another")
    changed = signed(url, body)
    changed.body = changed.body.replace("你".encode(), "您".encode())
    moved = signed(url.replace("completions", "completion"), body)
    old = signed(url, body, **{"X-Sdk-Date": "20250101T000000Z"})
    project = signed(url, body)
    project.header_params["X-Project-Id"] = "0"
    for request in [other, changed, moved, old, project]:
        reply = send(url, request)
        assert (reply.status_code, reply.json()["error_code"]) == (401, "APIG.0301"), reply.text
