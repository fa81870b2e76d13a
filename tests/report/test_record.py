"""The JSON record: in the contract's order, of plain values, and as the schema says."""

import json
import math
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from lrfind.report.record import Findings, plain, record, to_json
from lrfind.suggestion import Status, Suggestion
from tests.records import SCHEMA, check_record


def a_record(**changes):
    given = {
        "command": "range",
        "status": Status.DIVERGED,
        "suggestion": Suggestion(0.01, 0.001, 0.1, "steepest", "It falls fastest there."),
        "rules": {"steepest": 0.01, "valley": None},
        "verdict": "The loss falls and then diverges.",
        "steps": 93,
        "seed": 0,
        "device": "cpu",
        "config": {"range": {"stop_factor": 4.0}},
    }
    return record(Findings(**(given | changes)), seconds=1.5, files=[Path("range.csv")])


def test_a_record_passes_the_schema_in_the_order_of_the_contract():
    content = json.loads(to_json(a_record()))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    check_record(content)
    assert list(content) == SCHEMA["required"]
    assert content["schema_version"] == 1
    assert content["status"] == "diverged"
    assert content["suggestion"]["lr"] == 0.01
    assert content["files"] == ["range.csv"]


@pytest.mark.parametrize("command", ["range", "refine", "verify", "compare", "schedule"])
@pytest.mark.parametrize("status", list(Status))
def test_a_record_without_a_suggestion_passes_the_schema(command, status):
    content = a_record(
        command=command, status=status, suggestion=None, seed=None, notes=["Two were skipped."]
    )
    read_back = json.loads(to_json(content))
    check_record(read_back)
    assert (read_back["command"], read_back["status"]) == (command, status.value)
    assert read_back["suggestion"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "exploded"},
        {"command": "guess"},
        {"steps": -1},
        {"seconds": None},
        {"suggestion": {"lr": 0.1}},
        {"suggestion": {"lr": -0.1, "low": 0.1, "high": 0.1, "rule": "r", "reason": "r"}},
        {"rules": {"steepest": 0}},
        {"verdict": ""},
        {"extra": 1},
        {"schema_version": 2},
        {"environment": {"torch": "2"}},
        {"files": ["a", "a"]},
        {"warnings": []},
    ],
)
def test_the_schema_refuses_a_wrong_record(wrong):
    with pytest.raises(jsonschema.ValidationError):
        check_record(a_record() | wrong)


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_the_schema_refuses_a_record_without_a_key(key):
    content = a_record()
    del content[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        check_record(content)


def test_what_is_not_finite_is_null_however_deep():
    content = a_record(
        rules={"steepest": math.nan},
        config={"a": [1.0, (math.inf, {"b": np.float32("nan")})], "array": np.array([1.0, np.nan])},
    )
    assert content["rules"] == {"steepest": None}
    assert content["config"] == {"a": [1.0, [None, {"b": None}]], "array": [1.0, None]}
    assert "NaN" not in to_json(content)


def test_a_record_turns_the_values_of_a_config_into_plain_ones():
    given = {1: Path("a/b"), "status": Status.COMPLETED, "count": np.int64(3), "flag": True, "none": None}
    found = plain(given)
    assert found == {"1": "a/b", "status": "completed", "count": 3, "flag": True, "none": None}
    assert type(found["status"]) is str


def test_a_record_refuses_what_it_cannot_hold():
    with pytest.raises(TypeError, match="a record holds no object"):
        plain({"a": [object()]})


def test_the_environment_names_versions_without_importing_torch():
    code = (
        "import sys; from lrfind.report.record import environment; import lrfind.report.record;"
        "found = environment();"
        "assert not {'torch', 'torchvision', 'numpy', 'matplotlib', 'rich'} & set(sys.modules);"
        "print(*found, sep=',')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "lrfind,torch,torchvision,python,device_name,threads"


def test_warnings_name_each_note_once_and_the_first_of_the_pictures_that_were_skipped():
    content = a_record(notes=["Mind that.", "Mind that."], skipped=["a", "b", "a", "c", "d"])
    assert content["warnings"] == [
        "Mind that.",
        "4 pictures could not be read and were skipped: a, b, c, ...",
    ]
    assert "warnings" not in a_record()


def test_what_a_command_alone_has_stands_at_the_end_in_plain_values():
    content = a_record(own={"measured": None, "repeats": {"lrs": (0.1, math.nan)}})
    assert list(content)[-2:] == ["measured", "repeats"]
    assert content["repeats"] == {"lrs": [0.1, None]}
