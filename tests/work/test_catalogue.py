"""The engine's table of contents: every name leads somewhere, and reading it imports no torch."""

import inspect
import subprocess
import sys

import pytest

from rlhf_core.labs.registry import LABS
from rlhf_core.work import catalogue


@pytest.mark.parametrize("name", catalogue.JOBS)
def test_every_name_leads_to_a_generator_that_takes_a_session_first(name):
    function = catalogue.function_of(name)
    assert inspect.isgeneratorfunction(function)
    first = next(iter(inspect.signature(function).parameters))
    assert (first == "session") != (name == "wake"), "only waking the model is about no session"
    assert catalogue.JOBS[name].label


def test_the_jobs_of_every_lab_are_in_the_catalogue():
    assert {name for lab in LABS for name in lab.jobs} <= set(catalogue.JOBS)


def test_jobs_of_one_slot_are_equally_long():
    slots = {}
    for name, job in catalogue.JOBS.items():
        slots.setdefault(catalogue.slot_of(name), set()).add(job.long)
    assert all(len(lengths) == 1 for lengths in slots.values())


def test_reading_the_table_imports_no_torch():
    code = (
        "import sys, rlhf_core.work.catalogue, rlhf_core.labs.registry, rlhf_core.work.jobs;"
        "assert not {'torch', 'transformers', 'streamlit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
