"""What a room is, and who is in it: plain records, as the functions of this package return them.

Knows nothing about the database or pages.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

JOIN, PRACTICE, RANK, REWARD, PPO, VOTE, TALK = ACTS = (
    "join",
    "practice",
    "rank",
    "reward",
    "ppo",
    "vote",
    "talk",
)  # in the order in which a room plays them


@dataclass(frozen=True)
class RoomSettings:
    """What a host chooses before the room opens; ``opening.open_room`` checks it.

    Attributes:
        briefs: one slug of a preset, or two for two halves of the room.
        own_briefs: briefs of the host's own by their slug, as plain data (``Brief.to_dict``).
        prompts: what the model answers; empty: the first brief's own training prompts.
        model: the language model's name; empty: the server's own choice.
        plan: minutes, a key of ``plans.PLANS``.
        title: of the room, on every screen.
        consent: what people read before they join; empty: ``limits.CONSENT``.
        names_on_wall: whether names that the host let through stand on the wall; else pseudonyms.
        numbers_on_phones: whether phones show what was trained (``live``), or only the wall does.
        gold_share: of the pairs that a person gets, those with a known answer (where the brief has
            such), 0 to 0.5.
        shared_share: of the others, those that everybody gets.
        steps: of PPO.
        ideal_answers: whether a person may write a better answer to a pair that they judged.
    """

    briefs: tuple[str, ...] = ("biology-homework",)
    own_briefs: dict[str, dict] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    model: str = ""
    plan: int = 45
    title: str = "Our room"
    consent: str = ""
    names_on_wall: bool = False
    numbers_on_phones: bool = True
    gold_share: float = 0.15
    shared_share: float = 0.4
    steps: int = 20
    ideal_answers: bool = False

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Act:
    """Where a room stands.

    Attributes:
        name: of ``ACTS``. began_ms, until_ms: server's time, milliseconds since 1970; until_ms
            None: no clock. now_ms: the server's time when this was read: a phone's clock is its
            own, so what is left is ``until_ms - now_ms``.
        frozen: the host takes no judgements for now; until then the clock stands still.
        number: grows by one with every step, extension, freeze and thaw: whoever saw it knows
            whether anything has changed.
    """

    name: str
    began_ms: int
    until_ms: int | None
    now_ms: int
    frozen: bool
    number: int


@dataclass(frozen=True)
class Half:
    """One half of the room, or all of it: its brief as people read it, and its session.

    ``brief``: {"slug", "title", "audience", "prefer", "avoid", "ties", "version"}, untrusted text.
    """

    number: int
    session_id: str
    brief: dict


@dataclass(frozen=True)
class Room:
    """A room as it stands.

    Attributes:
        code: what is typed to join. settings: as chosen, checked. halves: one, or two.
        act: where it is. people: how many joined. pairs: how many pairs are written (0: the model
            has not finished writing).
        opened_ms; closes_ms: from when on nobody can join or judge; gone_ms: when it is deleted.
        closed: whether it is. door_closed: whether the host lets nobody new in.
    """

    code: str
    settings: RoomSettings
    halves: tuple[Half, ...]
    act: Act
    people: int
    pairs: int
    opened_ms: int
    closes_ms: int
    gone_ms: int
    closed: bool
    door_closed: bool = False

    @property
    def session_id(self) -> str:
        """The first half's session: the host's page is opened on it. A secret: not for phones."""
        return self.halves[0].session_id


@dataclass(frozen=True)
class Opened:
    """What the host alone gets to know, once: the secrets are kept only as hashes."""

    code: str
    host: str
    wall: str
    session_id: str


@dataclass(frozen=True)
class Person:
    """Somebody in a room.

    Attributes:
        number: from 1, in the order of joining; how host functions name a person.
        name: as typed and cleaned, untrusted; "" where none was typed.
        pseudonym: a colour and an animal; what every other screen shows until the host lets the
            name through. half: 0 or 1. left_out: the host left this person's judgements out.
    """

    number: int
    name: str
    pseudonym: str
    half: int
    left_out: bool


@dataclass(frozen=True)
class Joined:
    """``me``: the person's token, for their own phone only. note: a sentence for them, or ""."""

    me: str
    person: Person
    note: str = ""
