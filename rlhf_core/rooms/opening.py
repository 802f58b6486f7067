"""A room begins: settings checked, sessions made, code and secrets drawn."""

from __future__ import annotations

from rlhf_core.rooms.records import Opened, RoomSettings


def check(settings: RoomSettings) -> RoomSettings:
    """``settings`` as they will be used. Raises RoomError, SettingsError or BriefError, one
    sentence.
    """
    raise NotImplementedError


def open_room(settings: RoomSettings) -> Opened:
    """A new room in its first act, with a session for each brief. Its answers are not written yet:
    submit the job "room_answers" (no arguments) over ``session_id``. Raises RoomError: too many
    rooms; as ``check``.
    """
    raise NotImplementedError
