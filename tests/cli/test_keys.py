"""Messages of the kernel as the command line says them."""

import re
from pathlib import Path

import pytest

import lrfind
from lrfind.cli.job import KEYS, in_keys, spell_in_keys
from lrfind.errors import BatchError

KERNEL = [
    path
    for room in ("training", "range_test", "execution")
    for path in (Path(lrfind.__file__).parent / room).rglob("*.py")
]


def test_the_arguments_of_a_message_become_keys():
    error = BatchError("metric='accuracy' needs one score a class: use metric='loss'.")
    spell_in_keys(error)
    assert str(error) == "range.metric=accuracy needs one score a class: use range.metric=loss."


def test_what_names_no_argument_stays_as_it_is():
    assert in_keys("accumulation_steps must be at least 1.") == "accumulation_steps must be at least 1."


@pytest.mark.parametrize("words", KEYS)
def test_each_of_the_words_is_said_by_the_kernel(words):
    # A message may be broken into two strings anywhere.
    assert any(words in re.sub(r'"\s*f?"', "", path.read_text()) for path in KERNEL)
