"""Pools in the database: found by their key, by every process, and bounded."""

from __future__ import annotations

import threading

import pytest
from databases import url  # noqa: F401

from rlhf_core.common.errors import StoreError
from rlhf_core.store.database import Database
from rlhf_core.store.pool_rows import Pools


def test_what_one_process_kept_another_finds(url):  # noqa: F811
    one, other = Pools(Database(url)), Pools(Database(url))
    assert one.find("k") is None
    one.keep("k", {"sets": [{"prompt": "A yak is", "texts": ["\u00e9", "\U0001f43e"]}]})
    assert other.find("k") == {"sets": [{"prompt": "A yak is", "texts": ["\u00e9", "\U0001f43e"]}]}
    other.keep("k", {"sets": []})
    assert one.find("k") != {"sets": []}, "one that is there stays as it is"


def test_the_oldest_go_where_there_are_too_many(url, monkeypatch):  # noqa: F811
    pools = Pools(Database(url), most=3)
    for number in range(5):
        monkeypatch.setattr("rlhf_core.store.pool_rows.now_ms", lambda number=number: number)
        pools.keep(f"k{number}", {"n": number})
    assert pools.keys() == ["k4", "k3", "k2"]
    assert pools.find("k1") is None and pools.find("k2") == {"n": 2}


def test_many_keep_the_same_at_once(url):  # noqa: F811
    together, wrong = threading.Barrier(4), []

    def keep() -> None:
        pools = Pools(Database(url))
        together.wait(30)
        try:
            pools.keep("k", {"n": 1})
        except StoreError as error:
            wrong.append(error)

    threads = [threading.Thread(target=keep) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong and Pools(Database(url)).find("k") == {"n": 1}


def test_a_database_that_is_not_there_is_told(tmp_path):
    (tmp_path / "in the way").write_text("no folder")
    with pytest.raises(StoreError):
        Pools(Database(f"sqlite:///{tmp_path}/in the way/opossum.db")).find("k")
