"""What every answer of the server tells the browser, driven as an ASGI server drives it."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from beside import beside

from conftest import ROOT
from ui import headers


def answer(own: list[tuple[bytes, bytes]], kind: str = "http") -> list[dict]:
    """What an app that sends the headers ``own`` sends behind ours."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": f"{kind}.response.start", "status": 200, "headers": list(own)})
        await send({"type": f"{kind}.response.body", "body": b"here"})

    async def note(message):
        sent.append(message)

    beside(headers.Headers(app)({"type": kind}, None, note))
    return sent


def test_every_answer_says_that_addresses_are_kept_and_nothing_is_loaded_from_elsewhere():
    start, body = answer([(b"content-type", b"text/html")])
    told = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    assert told["referrer-policy"] == "no-referrer" and told["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in told["content-security-policy"].split("; "))
    assert policy["img-src"] == "'self' data: blob:" and policy["form-action"] == "'self'"
    assert policy["object-src"] == "'none'" and "script-src" not in policy
    assert told["content-type"] == "text/html" and body["body"] == b"here"


def test_what_an_answer_says_itself_stays():
    start, _ = answer([(b"referrer-policy", b"origin")])
    assert [value for name, value in start["headers"] if name == b"referrer-policy"] == [b"origin"]


def test_a_websocket_is_left_alone():
    start, _ = answer([], kind="websocket")
    assert start["headers"] == []


@pytest.mark.parametrize("path", ["/", "/room?room=KHTWPZ", "/_stcore/health"])
def test_the_server_answers_with_them(app_url, path):
    with urllib.request.urlopen(app_url + path, timeout=30) as reply:
        told = {name: reply.headers[name] for name in headers.HEADERS}
    assert told == headers.HEADERS


def test_also_where_the_guards_refuse(app_url):
    asked = urllib.request.Request(f"{app_url}/_stcore/metrics", headers={"Via": "a proxy"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    assert refused.value.code == 404
    assert refused.value.headers["Referrer-Policy"] == "no-referrer"


def test_the_proxy_that_comes_along_logs_no_address_of_a_session():
    lines = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8").splitlines()
    formats = [line for line in lines if line.strip().startswith("log_format")]
    logs = [line.split() for line in lines if line.strip().startswith("access_log")]
    named = [line.split()[1] for line in formats]
    assert logs and all(log[-1].rstrip(";") in named for log in logs)
    for key in ("$request ", "$request'", '$request"', "$args", "$query_string", "$http_referer"):
        assert not any(key in line for line in formats), key
    assert any("error_log" in line and line.rstrip().endswith("crit;") for line in lines)
