"""A run as a pipeline: the settings that it carries are read back as they were, complaints name
the entry, dvc.yaml hangs together, and Pachyderm's specs hold to its schema. (That DVC runs it, and
that its numbers are the run's: tests/command_line/test_stage.py.)
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from rlhf_core.__main__ import main
from rlhf_core.command_line.parser import parser
from rlhf_core.common.errors import InputError
from rlhf_core.common.settings import PPOSettings
from rlhf_core.exchange import pipeline_params, pipeline_project, training_project
from rlhf_core.exchange.pipeline_project import STAGES
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.session import judged, saving
from rlhf_core.session.state import SCRIPTED, Session


def a_session(by_rule: bool) -> Session:
    session = Session(PRESETS["meme-bot"], seed=7)
    session.asked.candidate_sets = [
        {"id": f"set-{i}", "prompt": p, "texts": [f" x{i}", f" y{i}"], "finished": [True, True]}
        for i, p in enumerate(PRESETS["meme-bot"].training_prompts[:3])
    ]
    for i in range(3):
        who = SCRIPTED if by_rule else "Kim Lee"
        judged.add_ranking(session, f"set-{i}", groups=[[0], [1]], annotator=who)
    session.asked.user_prompts = ["A cat is"]
    told = vars(PPOSettings(beta=0.05, steps=9, seed=7))
    session.tuned.log = [{"step": 0, "settings": dict(told)}]
    session.tuned.metrics = [{"step": 0}, {"step": 1}, {"step": 2}]
    return session


def written(tmp_path, session: Session):
    pipeline_project.write(session, tmp_path / "pipe")
    return tmp_path / "pipe"


def test_what_is_read_back_is_what_the_run_had(tmp_path):
    folder = written(tmp_path, a_session(by_rule=True))
    params = pipeline_params.read(str(folder / "params.yaml"))
    assert params.brief == PRESETS["meme-bot"] and params.seed == 7 and params.pairs == 3
    assert params.ppo == PPOSettings(beta=0.05, steps=2, seed=7), "as many steps as were done"
    assert params.judge == "scripted" and params.reward.seed == 7
    assert (folder / "prompts.txt").read_text() == "A cat is\n"
    assert not (folder / "judgements.jsonl").exists()


def test_judgements_of_people_go_along_under_pseudonyms(tmp_path):
    session = a_session(by_rule=False)
    held = session.asked.brief.evaluation_prompts[0]
    session.judged.imported = [Pair(held, " x", " y", "a", annotator="Kim Lee")]
    folder = written(tmp_path, session)
    rows = [json.loads(line) for line in (folder / "judgements.jsonl").read_text().splitlines()]
    assert [row["choice"] for row in rows] == ["a", "a", "a"], "none about what is held out"
    assert {row["annotator"] for row in rows} == {"judge-2"} and len(rows) == 3
    assert pipeline_params.read(str(folder / "params.yaml")).judge.endswith("judgements.jsonl")
    assert b"Kim" not in b"".join(pipeline_project.files(session).values())
    assert b"Kim" not in b"".join(training_project.contents(session).values())
    assert "judge-1 and judge-2" in (folder / "README.md").read_text()


def test_without_a_taste_there_is_nothing_to_go_on_with(tmp_path, capsys):
    with pytest.raises(InputError, match="no taste to learn from"):
        pipeline_project.files(Session(PRESETS["meme-bot"]))
    empty = Session(PRESETS["meme-bot"], directory=tmp_path / "run", id="a-run")
    saving.save(empty, status="done")
    for command in ("export-dvc", "export-training"):
        assert main([command, str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("by_rule", [True, False])
def test_dvc_yaml_is_a_chain_and_every_command_is_one_that_we_understand(tmp_path, by_rule):
    folder = written(tmp_path, a_session(by_rule))
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    params = yaml.safe_load((folder / "params.yaml").read_text())
    assert list(stages) == list(STAGES)
    made: set[str] = set()
    for name, stage in stages.items():
        assert all((folder / dep).is_file() or dep in made for dep in stage.get("deps", []))
        assert set(stage["params"]) <= set(params) and set(stage) <= DVC_STAGE
        made |= set(stage["outs"])
        words = stage["cmd"].split()
        assert words[:3] == ["python", "-m", "rlhf_core"]
        args = parser().parse_args(words[3:])
        assert args.name == name and args.out in stage["outs"]
        assert args.before is None or args.before in stage["deps"]
    assert ("judgements.jsonl" in stages["rank"]["deps"]) is not by_rule


DVC_STAGE = {"desc", "cmd", "deps", "params", "outs", "metrics"}  # of its reference, what we use


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "must hold the parts"),
        ("a: [", "line 1 is no YAML"),
        ("!!python/object/apply:os.system ['true']", "line 1 is no YAML"),
        ("rewards: {}", "has a part 'rewards'"),
        ("ppo: {betta: 1}", "ppo.betta in"),
        ("ppo: {beta: high}", "beta is 'high'"),
        ("ppo: {beta: -1}", "must lie between"),
        ("ppo: {steps: 1.5}", "whole number"),
        ("generate: {brief: meme-bot, pairs: 0}", "generate.pairs"),
        ("generate: {brief: meme-bot, pairs: true}", "generate.pairs"),
        ("generate: {brief: nobody.json}", "nobody.json"),
        ("generate: {brief: meme-bot, model: 3}", "generate.model"),
        ("rank: {judge: }", "rank.judge"),
    ],
)
def test_a_complaint_about_the_settings_names_the_entry(tmp_path, capsys, text, words):
    (tmp_path / "params.yaml").write_text(text)
    given = ["--params", str(tmp_path / "params.yaml"), "--out", str(tmp_path / "out")]
    assert main(["stage", "generate", *given]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (tmp_path / "out").exists(), said


def test_a_stage_wants_what_the_one_before_it_made(tmp_path, capsys):
    folder = written(tmp_path, a_session(by_rule=True))
    given = ["--params", str(folder / "params.yaml"), "--out", str(tmp_path / "out")]
    for name, more, words in (
        ("rank", [], "wants --from"),
        ("generate", ["--from", str(folder)], "reads no --from"),
        ("reward", ["--from", str(folder)], "run.json is missing"),
    ):
        assert main(["stage", name, *given, *more]) == 2
        assert words in capsys.readouterr().err and not (tmp_path / "out").exists()


# --- Pachyderm ------------------------------------------------------------------------------------

# Of Pachyderm's CreatePipelineRequest.schema.json (draft 4; every object is closed): the fields
# that we use and their types.
TEXT = {"type": "string"}
PFS = {"repo": TEXT, "branch": TEXT, "glob": TEXT}
FIELDS = {
    "pipeline": {"name": TEXT},
    "description": TEXT,
    "input": {"pfs": PFS, "cross": [{"pfs": PFS}]},
    "transform": {"image": TEXT, "cmd": [TEXT], "workingDir": TEXT},
    "parallelismSpec": {"constant": {"type": "integer"}},
    "resourceRequests": {"cpu": {"type": "number"}, "memory": TEXT},
}


def holds_to(value: object, schema: object, where: str = "") -> None:
    if isinstance(schema, list):
        assert isinstance(value, list) and value, where
        for one in value:
            holds_to(one, schema[0], where)
    elif isinstance(schema.get("type"), str):
        kinds = {"string": str, "integer": int, "number": (int, float)}
        assert isinstance(value, kinds[schema["type"]]), where
    else:
        assert isinstance(value, dict) and value and set(value) <= set(schema), where
        for name, one in value.items():
            holds_to(one, schema[name], f"{where}.{name}")


def test_pachyderm_s_pipelines_hold_to_its_schema_and_follow_each_other(tmp_path):
    folder, made = written(tmp_path, a_session(by_rule=True)), {"opossum"}
    for place, stage in enumerate(STAGES, 1):
        spec = json.loads((folder / "pachyderm" / f"{place}-{stage}.json").read_text())
        holds_to(spec, FIELDS)
        read = spec["input"].get("cross") or [spec["input"]]
        assert {row["pfs"]["repo"] for row in read} <= made and len(spec["input"]) == 1
        args = parser().parse_args(spec["transform"]["cmd"][3:])
        for path in filter(None, (args.params, args.before)):
            assert path.split("/")[2] in {row["pfs"]["repo"] for row in read}
        assert args.out.startswith("/pfs/out/")
        made.add(spec["pipeline"]["name"])
    with pytest.raises(AssertionError):
        holds_to({"pipeline": {"nom": "x"}}, FIELDS)


def test_a_run_of_an_older_version_gives_the_settings_that_this_one_has(tmp_path):
    session = a_session(by_rule=True)
    session.tuned.log = [{"step": 0, "settings": {"beta": 99.0, "gone": 1}}]
    params = pipeline_params.read(str(written(tmp_path, session) / "params.yaml"))
    assert params.ppo == replace(PPOSettings(), seed=7)


def test_the_readme_keeps_dvc_out_of_opossums_environment(tmp_path):
    """DVC 3.67.1 moves python-dateutil back, which Opossum has pinned."""
    words = (written(tmp_path, a_session(by_rule=True)) / "README.md").read_text()
    assert "pipx install dvc" in words and "    pip install" not in words
