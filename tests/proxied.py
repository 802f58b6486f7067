"""Several servers behind one address: nginx (Debian's ``nginx-light``), for as long as a block."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from conftest import free_port

AS_IT_IS = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
ALONE = "server {0}; server {1};"
STICKY = "ip_hash; server {0}; server {1};"
CONFIG = """
daemon off; {user} pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  log_format with_server '$request $upstream_addr $status';
  access_log {folder}/access.log with_server;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream replicas {{ {servers} }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://replicas; proxy_http_version 1.1; proxy_read_timeout 1d;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


def skip_without_nginx() -> None:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (Debian's package nginx-light)")


@contextlib.contextmanager
def nginx(folder: Path, how: str, urls: Sequence[str]) -> Iterator[str]:
    """The address of all of ``urls``; ``how``: ALONE or STICKY. Logs and all else in ``folder``,
    which is made.
    """
    port = free_port()
    folder.mkdir()
    folder.chmod(0o777)
    servers = how.format(*(url.removeprefix("http://") for url in urls))
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, servers=servers, port=port, user=AS_IT_IS))
    proxy = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.PIPE)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait(10)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx did not start")
