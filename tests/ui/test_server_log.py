"""A mistake once in full; what a forged value of a widget does, and every repetition, in a line."""

import logging

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import WStates

from ui import server_log


@pytest.fixture
def log(monkeypatch, caplog):
    """(logger, caplog) with a filter of its own."""
    logger = logging.getLogger("test_server_log")
    logger.filters = [server_log.OneLine()]
    caplog.set_level(logging.ERROR, logger=logger.name)
    return logger, caplog


def tell(logger, error: Exception) -> None:
    logger.error("Uncaught app execution", exc_info=error)


def caught(work) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_our_own_mistake_stands_in_full_once(log):
    logger, caplog = log
    for _ in range(3):
        tell(logger, caught(lambda: "x".nothing))
    assert caplog.text.count("Traceback") == 1 and len(caplog.records) == 3
    assert caplog.records[1].getMessage().startswith("AttributeError: 'str' object has no")
    tell(logger, caught(lambda: 1 / 0))
    assert caplog.text.count("Traceback") == 2, "another place is told in full"


def test_a_value_that_no_widget_has_costs_one_line(log):
    logger, caplog = log

    def read():
        states, forged = WStates(), WidgetState(id="w", json_value="{bad")
        states.set_widget_from_proto(forged)
        states.widget_metadata["w"] = WidgetMetadata(
            "w", lambda value: value, lambda value: value, "string_value"
        )
        return states["w"]

    tell(logger, caught(read))
    (record,) = caplog.records
    assert "Traceback" not in caplog.text and record.getMessage().startswith("JSONDecodeError: ")
    assert "\n" not in record.getMessage()


def test_it_is_put_up_once():
    for _ in range(3):
        server_log.keep_short()
    filters = logging.getLogger(server_log.LOGGER).filters
    assert [type(one).__name__ for one in filters].count("OneLine") == 1
