"""The projector switch in the sidebar and in the address, without a browser."""

from __future__ import annotations

from page_helpers import again, open_page, still_queue
from stand_ins import made

from ui import projector, state


def test_the_address_turns_it_on_and_it_goes_along_to_other_pages(monkeypatch):
    still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    app = open_page(None, made())
    assert not app.toggle(key="projector").value and "projector" not in app.query_params
    app.toggle(key="projector").set_value(True).run()
    assert "1" in app.query_params["projector"] and styled(app)
    app.query_params.clear()  # as a change of page does
    app = again(app)
    assert "1" in app.query_params["projector"] and styled(app)
    app.toggle(key="projector").set_value(False).run()
    assert "projector" not in app.query_params and not styled(app)
    assert not styled(again(app)), "and stays off"
    app.query_params["projector"] = "1"  # a link that somebody sent
    app = again(app)
    assert styled(app) and app.toggle(key="projector").value


def styled(app) -> bool:
    return any(projector.CSS in element.proto.body for element in app.get("html"))
