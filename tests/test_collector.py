"""Python's garbage collector while a process of one command loads."""

import gc

import pytest

from lrfind.collector import collector_is_off, collector_off, collector_on


@pytest.fixture(autouse=True)
def _as_before():
    yield
    collector_on()
    gc.enable()


def test_it_is_off_until_all_is_loaded_and_what_is_loaded_is_not_looked_at_again():
    collector_off()
    assert not gc.isenabled()
    assert collector_is_off()
    loaded = [[]]
    collector_on()
    assert gc.isenabled()
    assert not collector_is_off()
    assert not any(each is loaded for each in gc.get_objects())
    made = [[]]
    assert any(each is made for each in gc.get_objects())


def test_a_process_in_which_nothing_was_off_for_loading_is_left_alone():
    frozen = gc.get_freeze_count()
    collector_on()
    assert gc.get_freeze_count() == frozen
    gc.disable()
    collector_off()
    assert not collector_is_off()
    collector_on()
    assert not gc.isenabled()
