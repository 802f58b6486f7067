"""A port that cannot be had is said, and one that can is named."""

from __future__ import annotations

import socket

import pytest

from scripts import free_port


def test_a_port_that_is_taken_is_said_and_a_free_one_named(capsys) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert free_port.main(["127.0.0.1", str(port)]) == 2
        said = capsys.readouterr().out
    assert f"Port {port} is taken" in said
    free = int(said.rpartition("PORT=")[2].split(",")[0])
    assert free > port and free_port.why_not("127.0.0.1", free) == ""
    assert free_port.main(["127.0.0.1", str(free)]) == 0


@pytest.mark.parametrize("port", ["web", "-1", "70000"])
def test_a_port_that_is_none_is_said(capsys, port: str) -> None:
    assert free_port.main(["127.0.0.1", port]) == 2
    said = capsys.readouterr().out.strip()
    assert said and "\n" not in said
