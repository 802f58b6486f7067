"""A room begins: settings checked, sessions made, code and secrets drawn."""

from __future__ import annotations

import secrets
from dataclasses import replace

from rlhf_core.common.errors import RoomError
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.untrusted import seen
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.typed import check_note, check_prompt
from rlhf_core.lm import model_list
from rlhf_core.rooms import closing, doors, limits, pairs, plans, reading
from rlhf_core.rooms.records import JOIN, Opened, RoomSettings
from rlhf_core.session import asked, registry
from rlhf_core.store import room_rows
from rlhf_core.store.tables import now_ms

HOUR = 3_600_000  # milliseconds
TOLD = ("slug", "title", "audience", "prefer", "avoid", "ties", "version")  # of a brief, to people


def check(settings: RoomSettings) -> RoomSettings:
    """``settings`` as they will be used. Raises RoomError or BriefError, one sentence."""
    if not 1 <= len(settings.briefs) <= 2 or len({*settings.briefs}) < len(settings.briefs):
        raise RoomError("A room has one brief, or two different ones for two halves.")
    if settings.plan not in plans.PLANS:
        raise RoomError(f"A plan has {', '.join(map(str, plans.PLANS))} minutes.")
    if not 0 <= settings.gold_share <= 0.5 or not 0 <= settings.shared_share <= 1:
        raise RoomError(
            "Of a person's pairs, at most half can have a known answer, and between none and all of"
            " the others be everybody's."
        )
    if not 1 <= settings.steps <= limits.STEPS:
        raise RoomError(f"A room makes between 1 and {limits.STEPS} steps of PPO.")
    model = settings.model or model_list.default()
    if model != model_list.default() and not (
        model in model_list.offered() and (model not in model_list.HUB or model_list.here(model))
    ):
        raise RoomError("That model is not on this server. Choose another, or fetch it first.")
    title = seen(check_note(settings.title, "The title", limits.TITLE)).strip()
    consent = seen(check_note(settings.consent, "The consent text", limits.CONSENT_LENGTH)).strip()
    checked = replace(
        settings,
        briefs=tuple(settings.briefs),
        prompts=_prompts(settings.prompts),
        model=model,
        title=title or RoomSettings.title,
        consent=consent or limits.CONSENT,
        names_on_wall=bool(settings.names_on_wall),
        numbers_on_phones=bool(settings.numbers_on_phones),
        ideal_answers=bool(settings.ideal_answers),
        steps=int(settings.steps),
    )
    halves(checked)
    return checked


def halves(settings: RoomSettings) -> list[Brief]:
    """The briefs of the halves, over the same prompts: what differs is what is wanted. Raises
    RoomError, BriefError.
    """
    chosen = [_brief(settings, slug) for slug in settings.briefs]
    first = chosen[0]
    used = settings.prompts or first.training_prompts[: limits.PROMPTS]
    if len(used) < briefs.LEAST_PROMPTS:
        raise RoomError(
            f"At least {briefs.LEAST_PROMPTS} prompts are needed, one a line: the model writes"
            " answers to them."
        )
    kept = tuple(prompt for prompt in first.evaluation_prompts if prompt not in used)
    found = []
    for brief in chosen:
        same = (brief.training_prompts, brief.evaluation_prompts) == (used, kept)
        version = brief.version + (not same)
        changed = replace(brief, training_prompts=used, evaluation_prompts=kept, version=version)
        found.append(briefs.validate(changed))
    return found


def _brief(settings: RoomSettings, slug: str) -> Brief:
    if slug in settings.own_briefs:
        return briefs.from_dict({**settings.own_briefs[slug], "slug": slug})
    if slug not in briefs.PRESETS:
        raise RoomError("That brief is not known here. Choose one from the list.")
    return briefs.PRESETS[slug]


def _prompts(typed: tuple[str, ...]) -> tuple[str, ...]:
    lines = [seen(line) for line in typed if isinstance(line, str) and line.strip()]
    found = tuple(dict.fromkeys(check_prompt(line) for line in lines if line.strip()))
    if len(found) > limits.PROMPTS:
        raise RoomError(f"There are {len(found)} prompts; a room has at most {limits.PROMPTS}.")
    for prompt in found:
        if len(prompt) > limits.PROMPT_LENGTH:
            raise RoomError(
                f"The prompt “{prompt[:40]}…” has {len(prompt)} characters; at most"
                f" {limits.PROMPT_LENGTH} fit on a phone beside two answers."
            )
    return found


def open_room(settings: RoomSettings) -> Opened:
    """A new room in its first act, with a session for each brief. Its answers are not written yet:
    submit the job "room_answers" (no arguments) over ``session_id``. Raises RoomError: too many
    rooms; as ``check``.
    """
    settings = check(settings)
    closing.sweep()
    with reading.database().look() as db:
        if room_rows.open_rooms(db, now_ms()) >= limits.rooms():
            raise RoomError(
                f"{limits.rooms()} rooms are open on this server, which is the most. Wait until one"
                " has closed, or ask for a larger limit.",
                "full",
            )
    chosen = halves(settings)
    made = [_session(settings, brief) for brief in chosen]
    room_id, host, now = secrets.token_hex(16), secrets.token_urlsafe(24), now_ms()
    seed = seed_of(0, "room", room_id)
    minutes = plans.scene(settings.plan, JOIN).minutes
    row = {
        "room_id": room_id,
        "host_sha": reading.sha(host),
        "wall_sha": reading.sha(doors.wall_key(host)),
        "settings": settings.to_dict(),
        "seed": seed,
        "act": JOIN,
        "act_number": 1,
        "began_ms": now,
        "until_ms": now + minutes * 60_000,
        "frozen": False,
        "people": 0,
        "pairs": 0,
        "opened_ms": now,
        "closes_ms": now + limits.open_hours() * HOUR,
        "gone_ms": now + max(limits.kept_days() * 24, limits.open_hours()) * HOUR,
    }
    told = [
        {"room_id": room_id, "half": number, "session_id": session.id, "brief": _told(brief)}
        for number, (session, brief) in enumerate(zip(made, chosen, strict=True))
    ]
    known = [pair for n, brief in enumerate(chosen) for pair in pairs.gold(n, brief, seed)]
    for _ in range(20):
        code = "".join(secrets.choice(reading.LETTERS) for _ in range(reading.CODE_LENGTH))
        with reading.database().change() as db:
            if room_rows.create(db, {**row, "code": code}, told):
                room_rows.add_pairs(db, room_id, known)
                room_rows.note(db, room_id, "opened", consent=settings.consent)
                return Opened(code, host, doors.wall_key(host), made[0].id)
    raise RoomError("No free code was found. Try again.", "full")


def _session(settings: RoomSettings, brief: Brief):
    session = registry.create(brief)
    with session.change():
        asked.set_model(session, settings.model)
        session.choose("ppo", {"steps": settings.steps})
    return session


def _told(brief: Brief) -> dict:
    return {name: getattr(brief, name) for name in TOLD}
