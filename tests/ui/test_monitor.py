"""How long something takes, as the pages say it; and how far an experiment of several runs is."""

import pytest

from ui import monitor
from ui.labs import runs


@pytest.mark.parametrize(
    "seconds, said, counting_down",
    [
        (0.03, "0.1 s", "1 s"),
        (0.4, "0.4 s", "1 s"),  # a step of 0.4 s was once "about 1 s a step"
        (1.26, "1.3 s", "1 s"),
        (8.2, "8 s", "8 s"),
        (89, "89 s", "89 s"),
        (200, "3 min", "3 min"),
    ],
)
def test_a_duration_in_words(seconds, said, counting_down):
    assert monitor.duration(seconds) == said
    assert monitor.duration(seconds, whole=True) == counting_down


def test_where_an_experiment_is():
    names, order = {"ppo": "PPO", "dpo": "DPO"}, ["ppo", "dpo"]
    records = [{"kind": "pool"}]
    assert runs.where(records, order, names, 16) == ""
    records.append({"kind": "point", "run": "ppo", "step": 4})
    assert runs.where(records, order, names, 16) == "PPO, step 4 of 16 (1 of 2)"
    records.append({"kind": "point", "run": "ppo", "step": 16})
    assert runs.where(records, order, names, 16) == "DPO, step 0 of 16 (2 of 2)"
    records.append({"kind": "point", "run": "dpo", "step": 16})
    assert runs.where(records, order, names, 16) == "DPO, step 16 of 16 (2 of 2)"
    assert runs.where(records, ["dpo"], names, 16) == "DPO, step 16 of 16"
