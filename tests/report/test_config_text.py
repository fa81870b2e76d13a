"""The number of a key in the text of a YAML or TOML file, and another in its place: all else stays."""

import importlib.util

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lrfind.report.config_text import KeyTextError, spelled, toml_number, yaml_number

needs_tomlkit = pytest.mark.skipif(
    importlib.util.find_spec("tomlkit") is None, reason="tomlkit is not installed"
)
YAML = """\
# training
optimizer:   # of the model
    name: sgd
    lr:   0.10    # found by hand
    'wd': 1e-4
    groups:
    - {lr: 3, name: "head"}
    -   lr: 0.5
list: [1, 2.5,
       3]
base: &base 0.3
other: *base
text: "0.1"
ref: ${optimizer.lr}
on: true
nothing:
hex: 0x10
inf: .inf
"""
TOML = """\
title = 'x'  # a title
[optimizer]
  lr    =   0.10   # found by hand
wd=1e-4
betas = [ 0.9,  # first
          0.999 ]
inner.lr = 1_000
on = true
point = { x = 1, y = 2.0 }
[[groups]]
lr = 3
[[groups]]
lr = 0.5 # last
"""


@pytest.mark.parametrize(
    ("key", "old", "line"),
    [
        ("optimizer.lr", 0.1, "    lr:   0.25    # found by hand"),
        ("optimizer.wd", 1e-4, "    'wd': 0.25"),
        ("optimizer.groups.0.lr", 3, '    - {lr: 0.25, name: "head"}'),
        ("optimizer.groups.1.lr", 0.5, "    -   lr: 0.25"),
        ("list.1", 2.5, "list: [1, 0.25,"),
        ("list.2", 3, "       0.25]"),
        ("base", 0.3, "base: &base 0.25"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "---\n"])
def test_a_number_of_yaml_is_replaced_and_nothing_else(key, old, line, ends, start):
    text = start + YAML.replace("\n", ends)
    place = yaml_number(text, key.split("."))
    assert place.value == old
    before, after = text.split(ends), place.replaced(text, 0.25).split(ends)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [b for _, b in changed] == [line]
    assert yaml_number(place.replaced(text, 0.25), key.split(".")).value == 0.25


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("optimizer.rate", "has no key optimizer.rate; under optimizer it has name, lr, wd, groups"),
        ("optimiser.lr", "has no key optimiser; at its top it has optimizer, list, base, other, text"),
        ("optimizer.lr.max", "has no keys under optimizer.lr"),
        ("optimizer", "has a group of keys or a list at optimizer, not a number"),
        ("list", "has a group of keys or a list at list, not a number"),
        ("list.3", "has a list of 3 at list: 3 is no index in it, counted from 0"),
        ("list.lr", "has a list of 3 at list: lr is no index in it, counted from 0"),
        ("optimizer.name", "has sgd at optimizer.name, not a number"),
        ("text", 'has "0.1" at text, not a number'),
        ("ref", "has ${optimizer.lr} at ref, not a number"),
        ("on", "has true at on, not a number"),
        ("nothing", "has nothing at nothing, not a number"),
        ("inf", "has .inf at inf, not a number"),
        ("other", "has an alias at other: name the key that it stands for"),
    ],
)
def test_what_is_no_number_in_yaml_is_named(key, message):
    with pytest.raises(KeyTextError) as told:
        yaml_number(YAML, key.split("."))
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "is no YAML of one document, line 1: "),
        ("a: 1\n---\na: 2\n", "is no YAML of one document, line 2: "),
        ("a: 1\nb: 2\na: 3\n", "has a twice"),
        ("", "holds no keys"),
        ("- 1\n- 2\n", "has a list of 2 at its top: a is no index in it, counted from 0"),
        ("a: \x01", "is no YAML of one document: "),
    ],
)
def test_a_text_that_is_no_yaml_with_that_key_is_told(text, message):
    with pytest.raises(KeyTextError) as told:
        yaml_number(text, ["a"])
    assert str(told.value).startswith(message)


@needs_tomlkit
@pytest.mark.parametrize(
    ("key", "old", "line"),
    [
        ("optimizer.lr", 0.1, "  lr    =   0.25   # found by hand"),
        ("optimizer.wd", 1e-4, "wd=0.25"),
        ("optimizer.betas.1", 0.999, "          0.25 ]"),
        ("optimizer.inner.lr", 1000, "inner.lr = 0.25"),
        ("optimizer.point.y", 2.0, "point = { x = 1, y = 0.25 }"),
        ("groups.1.lr", 0.5, "lr = 0.25 # last"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_number_of_toml_is_replaced_and_nothing_else(key, old, line, ends):
    text = TOML.replace("\n", ends)
    place = toml_number(text, key.split("."))
    assert place.value == old
    before, after = text.split(ends), place.replaced(text, 0.25).split(ends)
    assert [b for a, b in zip(before, after, strict=True) if a != b] == [line]


@needs_tomlkit
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("optimizer.rate", "has no key optimizer.rate; under optimizer it has lr, wd, betas, inner, on"),
        ("title", "has 'x' at title, not a number"),
        ("optimizer.on", "has true at optimizer.on, not a number"),
        ("groups", "has a group of keys or a list at groups, not a number"),
        ("groups.2.lr", "has a list of 2 at groups: 2 is no index in it, counted from 0"),
        ("title.lr", "has no keys under title"),
    ],
)
def test_what_is_no_number_in_toml_is_named(key, message):
    with pytest.raises(KeyTextError) as told:
        toml_number(TOML, key.split("."))
    assert message in str(told.value)


@needs_tomlkit
def test_a_text_that_is_no_toml_is_told():
    with pytest.raises(KeyTextError, match="is no TOML: "):
        toml_number("a = = 1", ["a"])


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_number_is_spelled_so_that_every_reader_takes_it_for_that_number(number):
    assert yaml.safe_load(spelled(number)) == number  # YAML 1.1: 1e-05 is a text
    assert float(spelled(number)) == number


def test_a_power_of_ten_has_a_point():
    assert (spelled(1e-5), spelled(8.78e-5), spelled(0.1), spelled(10)) == (
        "1.0e-05",
        "8.78e-05",
        "0.1",
        "10.0",
    )
