"""Threads spin for a bounded time, set before torch is there; and benchmarks measure just that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.machine import forget_threading, shipped
from rlhf_core.common.spinning import BOUNDED, THEIRS, bounded_spin

ROOT = Path(__file__).resolve().parent.parent.parent
ASK = """
import json, os, sys
import {module}
print(json.dumps([dict(os.environ), "torch" in sys.modules]))
"""


def after_importing(module: str, **own: str) -> tuple[dict[str, str], bool]:
    """What a fresh process that imports ``module`` has in its environment; and is torch there?"""
    command = [sys.executable, "-c", ASK.format(module=module)]
    said = subprocess.check_output(command, cwd=ROOT, env=shipped(own), text=True, timeout=120)
    environment, torch_is_there = json.loads(said.splitlines()[-1])
    return environment, torch_is_there


def test_the_spinning_is_bounded_where_nobody_said_how_to_wait() -> None:
    assert bounded_spin({}) == BOUNDED == bounded_spin({"OMP_NUM_THREADS": "2", "PATH": "/bin"})
    assert 0 < int(BOUNDED["GOMP_SPINCOUNT"]) < 300_000  # which is what GNU's OpenMP takes itself
    assert 0 <= int(BOUNDED["KMP_BLOCKTIME"]) < 200  # LLVM's own


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("value", ["PASSIVE", "7", ""])
def test_a_setting_of_the_users_own_wins(name: str, value: str) -> None:
    environment = {name: value}
    assert bounded_spin(environment) == {} and environment == {name: value}


def test_what_comes_back_is_the_callers_own() -> None:
    bounded_spin({}).clear()
    assert bounded_spin({}) == BOUNDED != {}


@pytest.mark.parametrize("module", ["rlhf_core", "rlhf_core.common.events", "rlhf_core.__main__"])
def test_it_is_set_by_whatever_is_imported_first_and_torch_is_not_there_yet(module: str) -> None:
    environment, torch_is_there = after_importing(module)
    assert BOUNDED.items() <= environment.items() and not torch_is_there


def test_a_process_keeps_what_its_user_set() -> None:
    environment, _ = after_importing("rlhf_core", OMP_WAIT_POLICY="PASSIVE")
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE" and not BOUNDED.keys() & environment.keys()
    environment, _ = after_importing("rlhf_core", GOMP_SPINCOUNT="7")
    assert environment["GOMP_SPINCOUNT"] == "7" and "KMP_BLOCKTIME" not in environment


WHEN = """
import importlib, os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("GOMP_SPINCOUNT" in os.environ, flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
sys.path.insert(0, {folder!r})
import runpy
sys.argv = {argv!r}
{start}
"""


@pytest.mark.parametrize(
    "folder, argv, start",
    [
        ("", [], "import ui.state, ui.ranking; import rlhf_core.lm.language_model"),
        ("", [], "from benchmarks.__main__ import main; main(['step', '--steps', '1'])"),
        ("", [], "from benchmarks.busy import main; main(['--worker'])"),
        ("", [], 'from benchmarks.versus_trl import worker; worker(\'{"who": "ours"}\')'),
        ("tests", [], "import conftest, tiny_models"),
        ("scripts", [], "import train_pocket_gpt2"),
        ("scripts", [], "import evaluate_pocket_gpt2"),
        ("scripts", ["x", "--out", "x"], "import make_smollm2_register as m; m.main()"),
        ("scripts", [], "import make_example as m; m.main()"),
    ],
)
def test_every_way_in_sets_it_before_torch_is_imported(folder, argv, start, tmp_path) -> None:
    code = WHEN.format(folder=str(ROOT / folder), argv=argv, start=start)
    environment = shipped({"PYTHONPATH": str(ROOT), "OPOSSUM_RUNS": str(tmp_path)})
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1:] == ["True"], done.stdout + done.stderr


def test_what_is_measured_starts_without_the_shells_openmp_settings(monkeypatch) -> None:
    theirs = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_X", "MKL_NUM_THREADS")
    shell = {"OPOSSUM_THREADS": "2", **dict.fromkeys(theirs, "1")}
    monkeypatch.setattr(os, "environ", shell)
    assert shipped() == {"OPOSSUM_THREADS": "2"}
    assert shipped({"GOMP_SPINCOUNT": "5"}) == {"OPOSSUM_THREADS": "2", "GOMP_SPINCOUNT": "5"}
    forget_threading()
    assert shell == {"OPOSSUM_THREADS": "2"}


def test_a_benchmark_forgets_them_too_and_then_takes_what_ships() -> None:
    code = (
        "import os; from benchmarks import __main__ as bench\n"
        "bench.main(['nothing']); print('OMP_WAIT_POLICY' in os.environ)\n"
        "bench.PARTS['nothing'] = ('benchmarks.machine', '')\n"
        "import benchmarks.machine; benchmarks.machine.main = lambda options: 0\n"
        "bench.main(['nothing']); print(os.environ['GOMP_SPINCOUNT'])"
    )
    own = shipped({"OMP_WAIT_POLICY": "PASSIVE"})
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=own, text=True)
    assert said.split() == ["False", BOUNDED["GOMP_SPINCOUNT"]]
