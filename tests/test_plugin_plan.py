"""The plan is a function of the folder and of what was tried: no thread, no file, no clock."""

from hypothesis import given
from hypothesis import strategies as st

from flight_server.plugins.plan import Load, Remove, Scanned, plan

FILES = st.sampled_from(["a.py", "b.py", "c.py", "d"])
DIGESTS = st.sampled_from(["one", "two", "three"])
STATES = st.dictionaries(FILES, DIGESTS)


@st.composite
def scans(draw):
    still = draw(STATES)
    return Scanned(still, frozenset(draw(st.sets(FILES)) - still.keys()))


def carried_out(scanned, tried):
    after = dict(tried)
    for action in plan(scanned, tried):
        match action:
            case Load(file):
                after[file] = scanned.still[file]
            case Remove(file):
                del after[file]
    return after


@given(STATES, STATES)
def test_a_plan_carried_out_leaves_what_lies_in_the_folder(still, tried):
    assert carried_out(Scanned(still), tried) == still


@given(scans(), STATES)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(scanned, tried):
    assert plan(scanned, carried_out(scanned, tried)) == ()


@given(scans(), STATES)
def test_a_moving_file_is_neither_loaded_nor_removed(scanned, tried):
    assert not {action.file for action in plan(scanned, tried)} & scanned.moving


@given(scans(), STATES)
def test_loads_come_before_removals(scanned, tried):
    kinds = [isinstance(action, Remove) for action in plan(scanned, tried)]
    assert kinds == sorted(kinds)


def test_bytes_that_were_tried_are_not_tried_again():
    assert plan(Scanned({"a.py": "one"}), {"a.py": "one"}) == ()


def test_a_rename_under_way_removes_nothing():
    assert plan(Scanned({}, frozenset({"new.py"})), {"old.py": "one"}) == ()


def test_a_known_file_that_is_being_written_does_not_hold_up_removals():
    assert plan(Scanned({}, frozenset({"a.py"})), {"a.py": "one", "b.py": "one"}) == (Remove("b.py"),)
