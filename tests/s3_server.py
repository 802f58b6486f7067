"""As much of S3 as the blobs need, on loopback, in memory: the real driver without a cloud."""

from __future__ import annotations

import http.server
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class S3Server(http.server.ThreadingHTTPServer):
    """``objects``: by "/bucket/key", (bytes, when written). ``refuse``: a status to answer with."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.asked: list[str] = []
        self.refuse: int | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def make_older(self, **age) -> None:
        then = datetime.now(UTC) - timedelta(**age)
        self.objects = {key: (data, then) for key, (data, _) in self.objects.items()}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Server

    def answer(self, status: int, body: bytes = b"", **headers) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def handle_one(self) -> None:
        place = urlsplit(self.path)
        key, query = unquote(place.path), parse_qs(place.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {key.count('/')}")
        objects = self.server.objects
        if self.server.refuse:
            return self.error(self.server.refuse, "AccessDenied")
        if self.command == "PUT":
            objects[key] = (body, datetime.now(UTC))
            return self.answer(200, ETag='"x"')
        if "list-type" in query:
            return self.list(key, query.get("prefix", [""])[0])
        if key not in objects:
            return self.error(404, "NoSuchKey")
        if self.command == "DELETE":
            del objects[key]
            return self.answer(204)
        data, when = objects[key]
        headers = {"Last_Modified": format_datetime(when, usegmt=True), "ETag": '"x"'}
        if self.command == "HEAD":
            headers["Content_Length"] = str(len(data))
            return self.answer(200, b"", **headers)
        return self.answer(200, data, **headers)

    def list(self, bucket: str, prefix: str) -> None:
        start = f"{bucket.rstrip('/')}/{prefix}"
        rows = "".join(
            f"<Contents><Key>{escape(key[len(bucket.rstrip('/')) + 1 :])}</Key>"
            f"<LastModified>{when:%Y-%m-%dT%H:%M:%S.000Z}</LastModified><ETag>x</ETag>"
            f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key, (data, when) in sorted(self.server.objects.items())
            if key.startswith(start)
        )
        found = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        self.answer(200, found.encode(), Content_Type="application/xml")

    do_GET = do_PUT = do_HEAD = do_DELETE = handle_one

    def log_message(self, *args) -> None: ...
