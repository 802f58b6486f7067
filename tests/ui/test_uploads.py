"""How much may wait to be read: by tab, by address and in all; and when it goes."""

from types import SimpleNamespace

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from ui import uploads

MB = uploads.MB


class Place:
    """A ledger, the uploads that Streamlit keeps, and a clock."""

    def __init__(self):
        self.now, self.count = 10.0, 0
        self.held = MemoryUploadedFileManager("/upload")
        self.ledger = uploads.Ledger(lambda: self.held, lambda: self.now)

    def give(self, tab, address="10.0.0.1", size=2 * MB):
        self.count += 1
        name = f"file {self.count}"
        upload = self.ledger.begin(tab, name, address, size)
        if isinstance(upload, str):
            return upload
        self.held.add_file(tab, UploadedFileRec(name, "a.jsonl", "text/plain", b"x" * size))
        self.ledger.end(upload, size, kept=True)
        return name

    def holds(self, tab, name):
        return bool(self.held.get_files(tab, [name]))

    def bytes(self):
        return sum(len(f.data) for tab in self.held.file_storage.values() for f in tab.values())


@pytest.fixture
def place():
    return Place()


def test_a_tab_may_have_a_dozen_large_files_waiting_and_no_more(place):
    said = [place.give("tab") for _ in range(400)]
    assert all(place.holds("tab", name) for name in said[:12])
    assert place.bytes() <= uploads.MOST_OF_TAB and "Wait two minutes" in said[-1]
    assert place.holds("other", place.give("other")), "others are not stopped by it"


def test_many_small_files_are_too_many_as_well(place):
    said = [place.give("tab", size=10) for _ in range(100)]
    assert sum(place.holds("tab", name) for name in said) == uploads.MOST_FILES


def test_an_address_with_many_tabs_has_a_limit_too(place):
    said = [place.give(f"tab {n // 12}") for n in range(400)]
    assert place.bytes() <= uploads.MOST_OF_ADDRESS and "this address" in said[-1]


def test_where_all_hold_too_much_the_oldest_give_way(place):
    first = place.give("first", "10.9.9.9")
    for n in range(400):
        place.give(f"tab {n // 12}", f"10.0.0.{n // 40}")
        assert place.bytes() <= uploads.MOST
    fresh = place.give("fresh", "10.8.8.8")
    assert place.holds("fresh", fresh) and not place.holds("first", first)


def test_what_nobody_reads_goes_after_a_while(place):
    name = place.give("tab")
    place.now += uploads.LIFE - 1
    place.ledger.tidy()
    assert place.holds("tab", name)
    place.now += 1
    place.ledger.tidy()
    assert not place.holds("tab", name)


def test_what_was_read_or_left_with_its_tab_makes_room(place):
    names = [place.give("tab") for _ in range(12)]
    for name in names:
        place.held.remove_file("tab", name)  # as ``let_go`` does
    assert all(place.holds("tab", place.give("tab")) for _ in range(12))
    place.held.remove_session_files("tab")
    assert place.holds("tab", place.give("tab"))


def test_what_is_on_its_way_counts_and_what_was_refused_does_not(place):
    begun = [place.ledger.begin("tab", f"file {n}", "10.0.0.1", 2 * MB) for n in range(23)]
    under_way = [one for one in begun if not isinstance(one, str)]
    assert len(under_way) == 21
    for one in under_way:
        place.ledger.end(one, 0, kept=False)
    assert place.holds("tab", place.give("tab"))


def test_a_page_lets_go_of_what_it_has_read(place, monkeypatch):
    names = [place.give("tab") for _ in range(3)]
    context = SimpleNamespace(uploaded_file_mgr=place.held, session_id="tab")
    monkeypatch.setattr(uploads, "get_script_run_ctx", lambda: context)
    uploads.let_go([SimpleNamespace(file_id=name) for name in names[:2]])
    assert [place.holds("tab", name) for name in names] == [False, False, True]
