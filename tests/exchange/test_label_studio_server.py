"""Label Studio both ways, against a real server: our config and tasks in, annotations through its
API, its exports back, and nothing is lost unsaid.

Slow: Label Studio is installed from the package index into an environment of its own (its pins
clash with ours; about 1 GB), outside the repository: OPOSSUM_LABEL_STUDIO_VENV, or the user's cache
folder. Its first start makes a SQLite database, which takes a minute of processor time.
OPOSSUM_LABEL_STUDIO_URL and _TOKEN take a server that runs already.
OPOSSUM_LABEL_STUDIO_SAVE=FOLDER keeps the exports: so tests/fixtures/label_studio was made.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from rlhf_core.exchange.label_studio import import_annotations
from rlhf_core.exchange.label_studio_tasks import export_tasks, labelling_config
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair, Ranking

VERSION, TOKEN = "1.23.2", "0123456789abcdef0123456789abcdef01234567"
CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "opossum"
    / f"label-studio-{VERSION}"
)
# Seconds: a machine under load is slow, and one that hangs is told from it by these.
INSTALL, START, ANSWER, STOP = 900, 600, 180, 30
pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALL + START + 900)]


class Server:
    """Label Studio's REST API."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url, token

    def call(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, data, headers, method=method),
                timeout=ANSWER,
            ) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(
                f"{method} {path}: {error.code} {error.read()[:2000].decode(errors='replace')}"
            ) from error
        except OSError as error:  # a connection that was cut, or a time that ran out
            raise AssertionError(
                f"{method} {path}: Label Studio did not answer within {ANSWER} s ({error})."
            ) from error

    def post(self, path: str, body: object) -> dict:
        return json.loads(self.call("POST", path, body))

    def project(self, title: str, config: str, tasks: list[dict]) -> tuple[int, list[dict]]:
        """A new project with our config and our tasks: (its number, its tasks as the server has
        them, in our order).
        """
        number = self.post(
            "/api/projects", {"title": title, "label_config": config, "maximum_annotations": 5}
        )["id"]
        self.post(f"/api/projects/{number}/import", tasks)
        found = json.loads(
            self.call("GET", f"/api/tasks?project={number}&page_size=100&fields=all")
        )
        found = sorted(
            found["tasks"] if isinstance(found, dict) else found, key=lambda task: task["id"]
        )
        assert [task["data"] for task in found] == [task["data"] for task in tasks]
        return number, found

    def annotate(
        self, task: dict, who: int, seconds: float, *result: dict, cancelled: bool = False
    ) -> None:
        body = {
            "result": list(result),
            "lead_time": seconds,
            "completed_by": who,
            "was_cancelled": cancelled,
        }
        self.post(f"/api/tasks/{task['id']}/annotations/", body)

    def export(self, project: int, kind: str) -> bytes:
        return self.call(
            "GET", f"/api/projects/{project}/export?exportType={kind}&download_all_tasks=true"
        )


def install(venv: Path, program: Path) -> None:
    """Label Studio into an environment of its own. Raises TimeoutExpired; skips where it fails."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=INSTALL)
    python = str(program.with_name("python"))
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", f"label-studio=={VERSION}"],
        capture_output=True,
        text=True,
        timeout=INSTALL,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines() or [done.returncode]
        pytest.skip(f"label-studio {VERSION} cannot be installed here: {why[-1]}")


def wait_until_up(process: subprocess.Popen, url: str, log: Path) -> None:
    """Fails where the server ended, skips where it is not up in time."""
    deadline = time.monotonic() + START
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=10).read()
            return
        except OSError:
            if time.monotonic() > deadline:
                pytest.skip(f"Label Studio was not up within {START} s: too much to do here.")
            time.sleep(2)
    pytest.fail(log.read_text(errors="replace")[-3000:])


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if url := os.environ.get("OPOSSUM_LABEL_STUDIO_URL"):
        yield Server(url.rstrip("/"), os.environ.get("OPOSSUM_LABEL_STUDIO_TOKEN", TOKEN))
        return
    venv = Path(os.environ.get("OPOSSUM_LABEL_STUDIO_VENV") or CACHE)
    program = venv / ("Scripts" if os.name == "nt" else "bin") / "label-studio"
    if not program.exists():
        try:
            install(venv, program)
        except subprocess.TimeoutExpired:
            pytest.skip(f"label-studio {VERSION} was not installed here within {INSTALL} s.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("label-studio")
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "HOME": str(data),
        "DJANGO_DB": "sqlite",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    command = [
        str(program),
        "start",
        "--no-browser",
        "--internal-host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    account = [
        "--username",
        "opossum@example.org",
        "--password",
        "opossum-pass-1",
        "--user-token",
        TOKEN,
    ]
    with open(data / "server.log", "wb") as log:
        process = subprocess.Popen(
            [*command, *account], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(process, url, data / "server.log")
        yield Server(url, TOKEN)
    finally:
        stop(process)


@pytest.fixture(scope="module")
def people(server) -> tuple[int, int]:
    """Two annotators' numbers."""
    stamp = time.time_ns()
    return tuple(
        server.post(
            "/api/users/",
            {"email": f"{name}-{stamp}@example.org", "username": name, "first_name": name},
        )["id"]
        for name in ("ada", "kim")
    )


def keep(name: str, data: bytes) -> bytes:
    if folder := os.environ.get("OPOSSUM_LABEL_STUDIO_SAVE"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_bytes(data)
    return data


def side(which: str) -> dict:
    return {
        "from_name": "comparison",
        "to_name": "comparison",
        "type": "pairwise",
        "value": {"selected": which},
    }


def verdict(which: str) -> dict:
    return {
        "from_name": "verdict",
        "to_name": "prompt",
        "type": "choices",
        "value": {"choices": [which]},
    }


def said(pairs: list[Pair]) -> Counter:
    return Counter(
        (
            pair.prompt,
            pair.a,
            pair.b,
            pair.choice,
            pair.annotator,
            pair.seconds,
            pair.brief,
            pair.brief_version,
        )
        for pair in pairs
    )


TEXTS = [
    ("An opossum is", " a marsupial.", " a mood."),
    ("Ein Käuzchen ist", " schön – „ja“.", " träge."),
    ("一只猫是", " 宠物。", " 国王。"),
    ("A cat is", " <b>bold</b> & proud.", ' "quoted", with\nlines.'),
    ("A dog is", " loyal 🐕.", " late."),
    ("A bee is", " an insect.", " my boss."),
    ("A goat is", " a mammal.", " chaos."),
    ("A duck is", " a bird.", " a goose."),
]


def test_pairwise_there_and_back(server, people):
    ada, kim = people
    pairs = [Pair(*texts, "a", brief="meme-bot", brief_version=3) for texts in TEXTS]
    blank, _ = export_tasks(pairs, judged=False)
    # What was judged before goes in as annotations: two people on one pair, a tie, both bad, a
    # skip; weights and seconds with them.
    before = [
        Pair("A wolf is", " x.", " y.", "a", 0.5, 1.25, "Bo"),
        Pair("A wolf is", " x.", " y.", "b", 1.0, 2.5, "Cy"),
        Pair("A fox is", " x.", " y.", "tie", annotator="Bo"),
        Pair("A fox is", " x2.", " y.", "both_bad", 1.0, 4.0, "Bo"),
        Pair("A fox is", " x3.", " y.", "skip", 1.0, 0.5, "Cy"),
    ]
    judged, _ = export_tasks(before)
    project, tasks = server.project(
        "pairwise", labelling_config("pairwise", PRESETS["meme-bot"]), [*blank, *judged]
    )
    server.annotate(tasks[0], ada, 3.5, side("left"))
    server.annotate(tasks[0], kim, 2.25, side("right"))
    server.annotate(tasks[1], ada, 4.0, verdict("Tie"))
    server.annotate(tasks[2], kim, 1.5, verdict("Both bad"))
    server.annotate(tasks[3], ada, 9.75, cancelled=True)
    server.annotate(tasks[4], kim, 2.0, verdict("Skip"))
    server.annotate(tasks[5], ada, 5.0, side("left"))
    server.annotate(tasks[5], ada, 6.0, side("right"))  # thought better of it
    server.annotate(tasks[6], kim, 0.5)  # pressed Submit without an answer
    judged_here = [
        (0, "a", ada, 3.5),
        (0, "b", kim, 2.25),
        (1, "tie", ada, 4.0),
        (2, "both_bad", kim, 1.5),
        (3, "skip", ada, 9.75),
        (4, "skip", kim, 2.0),
        (5, "b", ada, 6.0),
    ]
    expected = [
        Pair(
            *TEXTS[i],
            choice,
            seconds=seconds,
            annotator=f"user {who}",
            brief="meme-bot",
            brief_version=3,
        )
        for i, choice, who, seconds in judged_here
    ]

    report = import_annotations(
        keep("pairwise.json", server.export(project, "JSON")), "pairwise.json"
    )
    assert said(report.pairs) == said([*expected, *before]) and {
        p.weight for p in report.pairs if p.annotator == "Bo"
    } == {0.5, 1.0}
    assert sorted(row.why for row in report.left_out) == [
        "nothing was chosen; an empty answer is no tie and no skip",
        f"user {ada} answered this task more than once; the last answer counts",
    ]
    assert report.unjudged == [{"prompt": TEXTS[7][0], "texts": list(TEXTS[7][1:])}]

    mine = json.loads(server.call("GET", "/api/current-user/whoami"))["id"]
    for kind, name in (("JSON_MIN", "pairwise.min.json"), ("CSV", "pairwise.csv")):
        report = import_annotations(keep(name, server.export(project, kind)), name)
        there = [(p.prompt, p.a, p.b, p.choice, p.annotator, p.seconds) for p in report.pairs]
        cancelled = [p for p in expected if p.seconds == 9.75]
        for pair in expected:
            assert (
                (pair.prompt, pair.a, pair.b, pair.choice, pair.annotator, pair.seconds) in there
            ) == (pair not in cancelled), (name, pair)
        # These exports say that whoever imported the older judgements made them: of two on one pair
        # the later counts, and the report says so.
        assert {p.annotator for p in report.pairs} == {f"user {ada}", f"user {kim}", f"user {mine}"}
        assert any(
            f"user {mine} answered this task more than once" in row.why for row in report.left_out
        )
        assert any("leaves skipped tasks out" in sentence for sentence in report.lost)


def test_ranker_there_and_back(server, people):
    ada, kim = people
    sets = [
        {"prompt": "An opossum is", "texts": [" a marsupial.", " a mood.", " ein Tier – „schön“."]},
        {"prompt": "A cat is", "texts": [" x.", " y.", " z."]},
    ]
    before = Ranking(
        "r1",
        "A dog is",
        [" one.", " two.", " three."],
        [2, 0, 1],
        [[0, 1], [2]],
        seconds=7.5,
        annotator="Bo",
        brief="meme-bot",
        brief_version=2,
    )
    tasks = export_tasks(sets)[0] + export_tasks([before])[0]
    project, found = server.project(
        "ranker", labelling_config("ranker", PRESETS["meme-bot"]), tasks
    )

    def rank(**value) -> dict:
        return {
            "from_name": "rank",
            "to_name": "answers",
            "type": "ranker",
            "value": {"ranker": value},
        }

    server.annotate(found[0], ada, 8.0, rank(place_1=["b"], place_2=["a", "c"]))
    server.annotate(found[0], kim, 3.0, rank(place_1=["c"], place_2=["a"], _=["b"]))
    server.annotate(found[1], kim, 2.0, verdict("Both bad"))
    wanted = {
        (
            "An opossum is",
            f"user {ada}",
            8.0,
            ((" a mood.",), (" a marsupial.", " ein Tier – „schön“.")),
        ),
        ("An opossum is", f"user {kim}", 3.0, ((" ein Tier – „schön“.",), (" a marsupial.",))),
        ("A cat is", f"user {kim}", 2.0, "both_bad"),
    }
    for kind, name in (
        ("JSON", "ranker.json"),
        ("JSON_MIN", "ranker.min.json"),
        ("CSV", "ranker.csv"),
    ):
        report = import_annotations(keep(name, server.export(project, kind)), name)
        got = {
            (
                r.prompt,
                r.annotator,
                r.seconds,
                r.verdict
                or tuple(tuple(sorted(r.candidates[i] for i in group)) for group in r.groups),
            )
            for r in report.rankings
        }
        bo = (
            "Bo"
            if kind == "JSON"
            else f"user {json.loads(server.call('GET', '/api/current-user/whoami'))['id']}"
        )
        assert got == wanted | {("A dog is", bo, 7.5, ((" one.", " two."), (" three.",)))}
        assert (
            len(report.repaired) == 1
            and "1 of 3 outputs were not placed" in report.repaired[0].why
            and not report.left_out
        )
    plain, found = server.project(
        "plain ranker", labelling_config("ranker", places=0), export_tasks(sets)[0]
    )
    server.annotate(found[0], ada, 1.0, rank(rank=["c", "a", "b"]))
    report = import_annotations(
        keep("plain-ranker.json", server.export(plain, "JSON")), "plain-ranker.json"
    )
    assert [r.groups for r in report.rankings] == [[[2], [0], [1]]] and report.unjudged[0][
        "prompt"
    ] == "A cat is"


def test_by_hand_on_label_studios_own_page(server, chromium):
    """What its page hands in is not what its API takes: a Ranker that nobody touched comes along
    with every answer.
    """
    if os.environ.get("OPOSSUM_LABEL_STUDIO_URL"):
        pytest.skip("this needs the password of the server's account")
    blank, _ = export_tasks([Pair(*texts, "a") for texts in TEXTS[:5]], judged=False)
    sets, _ = export_tasks(
        [
            {"prompt": "An opossum is", "texts": [" a marsupial.", " a mood."]},
            {"prompt": "A cat is", "texts": [" x.", " y."]},
        ]
    )
    pairwise, _ = server.project("by hand", labelling_config("pairwise"), blank)
    ranker, _ = server.project("by hand", labelling_config("ranker", places=2), sets)
    page = chromium.new_page()
    page.set_default_timeout(120_000)

    def hand_in(button: str, *, then: str) -> None:
        page.click(f"button:has-text('{button}')")
        if then:
            page.wait_for_selector(f"text={then}")
        else:
            page.wait_for_timeout(5_000)

    try:
        page.goto(f"{server.url}/user/login/")
        page.fill("input[name=email]", "opossum@example.org")
        page.fill("input[name=password]", "opossum-pass-1")
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "login" not in url)
        page.goto(f"{server.url}/projects/{pairwise}/data?labeling=1")
        page.click("text=a marsupial.")
        hand_in("Submit", then=TEXTS[1][1].strip())
        page.keyboard.press("t")
        hand_in("Submit", then=TEXTS[2][1].strip())
        page.click("text=Both bad")
        hand_in("Submit", then="proud")
        hand_in("Skip", then="loyal")
        page.goto(f"{server.url}/projects/{ranker}/data?labeling=1")
        page.click("text=Both bad")
        hand_in("Submit", then="A cat is")
        page.focus("[data-rfd-drag-handle-draggable-id=b], [data-rbd-drag-handle-draggable-id=b]")
        for key in ("Space", "ArrowRight", "Space"):
            page.keyboard.press(key)
            page.wait_for_timeout(1_000)
        hand_in("Submit", then="")
    finally:
        page.close()
    report = import_annotations(server.export(pairwise, "JSON"), "pairwise.json")
    assert [(p.choice, p.seconds is not None) for p in report.pairs] == [
        ("a", True),
        ("tie", True),
        ("both_bad", True),
        ("skip", True),
    ] and not report.left_out
    report = import_annotations(server.export(ranker, "JSON"), "ranker.json")
    assert [(r.verdict, len(r.candidates)) for r in report.rankings] == [("both_bad", 2)]
    assert [row.why for row in report.left_out] == ["only one output was placed"]
