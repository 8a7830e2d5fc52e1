"""A name that is nearly right is suggested."""

import time

import pytest

from format_plugins.spelling import did_you_mean, nearest


def test_the_nearest_name_is_found_whatever_its_case():
    assert nearest("Delimitr", ["quote", "delimiter"]) == "delimiter"


@pytest.mark.parametrize("name", ["", "zzz", "x" * 200])
def test_nothing_is_suggested_for_a_name_that_looks_like_none(name):
    assert did_you_mean(name, ["quote", "delimiter"]) == ""


def test_the_suggestion_ends_a_sentence():
    assert f"there is no option 'quot'{did_you_mean('quot', ['quote'])}" == "there is no option 'quot'; did you mean 'quote'?"


@pytest.mark.parametrize(("name", "known"), [("ab" * 100_000, "ba"), ("ab", "ba" * 100_000)])
def test_very_long_names_cost_no_time(name, known):
    begun = time.monotonic()
    assert nearest(name, [known] * 100) is None
    assert time.monotonic() - begun < 1
