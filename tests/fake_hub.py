"""As much of the Hugging Face hub as a push needs, on loopback, in memory: the real client without
a network. It is as strict as the hub where a push could go wrong: tokens, owners, names that are
taken, cards, checksums of large files, and that no token goes to where large files are stored.

Sources: huggingface.co/docs/hub/api; git-lfs' Batch API; huggingface_hub 2.4.0, which asks it.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from huggingface_hub import constants

from rlhf_core.exchange import hub_push

WRITE, READ, OTHERS = "hf_WriteWriteWrite", "hf_ReadReadRead", "hf_OtherOtherOther"
PEOPLE = {WRITE: ("ada", "write"), READ: ("ada", "read"), OTHERS: ("eve", "write")}


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


class Hub(http.server.ThreadingHTTPServer):
    """``repositories``: by (type, "owner/name"). ``trouble``: by a piece of the path, a status to
    answer with, "slow" (no answer for a while), "garbage" (no JSON) or "gone" (the line is cut).
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.trouble: dict[str, int | str] = {}
        self.asked: list[str] = []
        self.tokens_where_none_belongs: list[str] = []
        self.slowness, self.reading = 5.0, 0.0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request, client_address) -> None:
        """A client that was killed in the middle is what some tests want."""


def found_by_the_client(monkeypatch) -> Iterator[Hub]:
    """A hub that the client finds, in this process and in those that it starts (the fixture
    ``hub``).
    """
    found = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", found.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(hub_push, "PATIENCE", 20.0)
    yield found
    found.shutdown()
    found.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_) -> None:
        pass

    def answer(self, status: int, row: object = None, body: bytes | None = None) -> None:
        data = json.dumps(row or {}).encode() if body is None else body
        self.send_response(status)
        if isinstance(row, dict) and "error" in row:
            self.send_header("X-Error-Message", row["error"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        size, parts = int(self.headers.get("Content-Length") or 0), []
        if self.headers.get("Transfer-Encoding") == "chunked":
            while length := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(length))
                self.rfile.readline()
                time.sleep(self.server.reading)
            self.rfile.readline()
            return b"".join(parts)
        while size:
            parts.append(self.rfile.read(min(size, 1 << 16)))
            size -= len(parts[-1])
            time.sleep(self.server.reading)
        return b"".join(parts)

    def do(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append(f"{self.command} {path}")
        what = next((v for piece, v in hub.trouble.items() if piece in path), None)
        if what == "slow":
            time.sleep(hub.slowness)
            self.close_connection = True
            return
        if what == "gone":
            self.close_connection = True
            return
        data = self.body()
        if what == "garbage":
            self.answer(200, body=b"<html>Welcome to the hotel's network</html>")
        elif isinstance(what, int):
            said = f"trouble with {self.headers.get('Authorization')}"
            self.answer(what, {"error": said})
        elif path.startswith("/large/"):
            self.store(path.rpartition("/")[2], data)
        elif path == "/api/validate-yaml":
            self.card(json.loads(data))
        else:
            self.of_somebody(path, data)

    do_GET = do_POST = do_PUT = do

    def store(self, oid: str, data: bytes) -> None:
        if self.headers.get("Authorization"):
            self.server.tokens_where_none_belongs.append(oid)
        if hashlib.sha256(data).hexdigest() != oid:
            return self.answer(400, {"error": "checksum"})
        self.server.large[oid] = data
        return self.answer(200)

    def card(self, row: dict) -> None:
        front = re.match(r"---\n(.*?)\n---", row["content"], re.DOTALL)
        found = yaml.safe_load(front[1]) if front else {}
        if found.get("license") == "wrong":
            return self.answer(400, {"errors": [{"message": '"license" must be one of ...'}]})
        return self.answer(200, {"errors": [], "warnings": []})

    def of_somebody(self, path: str, data: bytes) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in PEOPLE:
            return self.answer(401, {"error": "Invalid credentials in Authorization header"})
        name, role = PEOPLE[token]
        if path == "/api/whoami-v2":
            access = {"displayName": "a token", "role": role}
            me = {"type": "user", "name": name, "orgs": [], "auth": {"accessToken": access}}
            return self.answer(200, me)
        if path == "/api/repos/create":
            return self.create(json.loads(data), name)
        found = re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)/(preupload|commit)/main", path)
        batch = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", path)
        if batch:
            kind, repo = "dataset" if batch[1] else "model", batch[2]
        elif found:
            kind, repo = found[1], found[2]
        else:
            return self.answer(404, {"error": "not found"})
        if (kind, repo) not in self.server.repositories:
            return self.answer(404, {"error": "Repository not found"})
        if repo.partition("/")[0] != name or role != "write":
            return self.answer(403, {"error": "Forbidden"})
        if batch:
            return self.batch(json.loads(data))
        if found[3] == "preupload":
            return self.preupload(json.loads(data))
        return self.commit(self.server.repositories[kind, repo], repo, data)

    def create(self, row: dict, name: str) -> None:
        owner = row.get("organization") or name
        repo = f"{owner}/{row['name']}"
        if owner != name:
            return self.answer(403, {"error": f"You don't have the rights for {owner}"})
        if (row["type"], repo) in self.server.repositories:
            return self.answer(409, {"error": "You already created this repo"})
        private = row.get("visibility") == "private"
        self.server.repositories[row["type"], repo] = Repository(private)
        return self.answer(200, {"url": f"{self.server.url}/{repo}", "name": repo})

    def preupload(self, row: dict) -> None:
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for one in row["files"]
        ]
        self.answer(200, {"files": files})

    def batch(self, row: dict) -> None:
        objects = []
        for one in row["objects"]:
            upload = {"href": f"{self.server.url}/large/{one['oid']}"}
            there = one["oid"] in self.server.large
            objects.append({**one, **({} if there else {"actions": {"upload": upload}})})
        self.answer(200, {"transfer": "basic", "objects": objects})

    def commit(self, repository: Repository, repo: str, data: bytes) -> None:
        rows = [json.loads(line) for line in data.splitlines()]
        files = dict(repository.files)
        for row in rows:
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                if value["oid"] not in self.server.large:
                    return self.answer(400, {"error": "a large file was never sent"})
                files[value["path"]] = self.server.large[value["oid"]]
        repository.files = files
        oid = hashlib.sha1(data).hexdigest()
        repository.commits.append(rows[0]["value"]["summary"])
        url = f"{self.server.url}/{repo}/commit/{oid}"
        return self.answer(200, {"commitUrl": url, "commitOid": oid})
