import sys; sys.path.insert(0, "/work/main/tests")
import shutil, pytest
from conftest import *
import conftest
import test_journey as j
from test_journey import learner, test_two_tabs_and_a_second_learner
@pytest.fixture(scope="module")
def walked(learner, app):
    shutil.copytree("/tmp/j/trained/interrupted-run1", app.runs/"interrupted-run1")
    return j.Walk(learner.context.new_page(), learner, "interrupted-run1", 6, 5, [], "", "")
