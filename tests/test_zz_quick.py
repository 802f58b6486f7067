import sys

sys.path.insert(0, "/work/main/tests")
import shutil

import pytest
import test_journey as j

from conftest import *


@pytest.fixture(scope="module")
def walked(learner, app):
    shutil.copytree("/tmp/j/trained/interrupted-run1", app.runs / "interrupted-run1")
    return j.Walk(learner.context.new_page(), learner, "interrupted-run1", 6, 5, [], "", "")
