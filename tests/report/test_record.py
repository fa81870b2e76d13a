"""The files that a run leaves: whole or not at all, exact, and as the schema says."""

import csv
import errno
import json
import math
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from lrfind.errors import OutputError
from lrfind.range_test.curve import Curve
from lrfind.report.environment import environment
from lrfind.report.files import csv_text, write_whole
from lrfind.report.formatting import duration_text, rate_text
from lrfind.report.record import plain, range_csv, record, to_json
from lrfind.suggestion import Status, Suggestion

SCHEMA = json.loads(resources.files("lrfind.report").joinpath("record.schema.json").read_text("utf-8"))


def a_record(**changes):
    given = {
        "command": "range",
        "status": Status.DIVERGED,
        "suggestion": Suggestion(0.01, 0.001, 0.1, "steepest", "It falls fastest there."),
        "rules": {"steepest": 0.01, "valley": None},
        "verdict": "The loss falls and then diverges.",
        "steps": 93,
        "seconds": 1.5,
        "seed": 0,
        "device": "cpu",
        "config": {"range": {"stop_factor": 4.0}},
        "environment": environment("a processor"),
        "files": [Path("range.csv")],
    }
    return record(**(given | changes))


def a_curve(losses, **more):
    losses = np.asarray(losses, dtype=np.float64)
    lrs = np.geomspace(1e-7, 10, len(losses))
    return Curve(lrs, losses, losses / 3, Status.COMPLETED, len(losses), **more)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_line_ends_as_they_are_and_nothing_beside_it(tmp_path):
    write_whole(tmp_path / "a.txt", "one\ntwo ✓\n")
    assert (tmp_path / "a.txt").read_bytes() == "one\ntwo ✓\n".encode()
    assert names_in(tmp_path) == ["a.txt"]


def test_a_file_has_the_permissions_that_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_leftovers_and_says_what_to_do(tmp_path, monkeypatch, at):
    path = tmp_path / "range.csv"
    write_whole(path, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full) if at == "fsync" else monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(
        OutputError, match=r"range\.csv cannot be written: no space .* hydra\.run\.dir=FOLDER"
    ):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["range.csv"]


def test_an_interrupt_in_the_middle_of_writing_leaves_the_old_file_and_no_leftovers(tmp_path, monkeypatch):
    path = tmp_path / "range.csv"
    write_whole(path, "old")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["range.csv"]


def test_a_path_that_cannot_be_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path, reason in (
        ("absent/a.csv", "its folder does not exist"),
        ("file/a.csv", "is a file, not a folder"),
        ("folder", "a folder of that name is in the way"),
        ("x" * 300, "the name is too long"),
    ):
        with pytest.raises(OutputError, match=reason):
            write_whole(tmp_path / path, "")
    assert names_in(tmp_path) == ["file", "folder"]


def test_a_link_keeps_pointing_where_it_points(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_whole(tmp_path / "link.csv", "new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced():
    write_whole(os.devnull, "gone")
    assert Path(os.devnull).is_char_device()


def test_csv_numbers_read_back_to_the_last_bit_and_spell_what_is_not_finite():
    losses = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5, math.nan, math.inf, -math.inf]
    text = range_csv(a_curve(losses))
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["step"] for row in rows] == [str(step) for step in range(8)]
    assert np.array_equal([float(row["loss"]) for row in rows], losses, equal_nan=True)
    assert np.array_equal([float(row["lr"]) for row in rows], np.geomspace(1e-7, 10, 8))
    assert [row["loss"] for row in rows[5:]] == ["nan", "inf", "-inf"]


def test_csv_has_the_columns_of_the_contract_and_unix_line_ends():
    curve = Curve(np.array([0.5]), np.array([2.0]), np.array([2.25]), Status.COMPLETED, 1)
    assert range_csv(curve) == "step,lr,loss,smoothed_loss\n0,0.5,2.0,2.25\n"


def test_csv_has_accuracy_and_validation_where_measured_and_empty_cells_between():
    curve = a_curve([3, 2], accuracies=np.array([0.25, 0.5]), validation_losses=np.array([2.5, np.nan]))
    lines = range_csv(curve).splitlines()
    assert lines[0] == "step,lr,loss,smoothed_loss,accuracy,validation_loss"
    assert lines[1].endswith(",0.25,2.5")
    assert lines[2].endswith(",0.5,")


def test_csv_of_a_sweep_without_a_step_is_its_header():
    assert range_csv(a_curve([])) == "step,lr,loss,smoothed_loss\n"


def test_csv_quotes_what_holds_a_comma():
    assert csv_text(["a", "b"], [["x,y", None]]) == 'a,b\n"x,y",\n'


def test_a_record_passes_the_schema_in_the_order_of_the_contract():
    content = json.loads(to_json(a_record()))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(content, SCHEMA)
    assert list(content) == SCHEMA["required"]
    assert content["schema_version"] == 1
    assert content["status"] == "diverged"
    assert content["suggestion"]["lr"] == 0.01
    assert content["files"] == ["range.csv"]


@pytest.mark.parametrize("command", ["range", "refine", "verify", "compare", "schedule"])
@pytest.mark.parametrize("status", list(Status))
def test_a_record_without_a_suggestion_passes_the_schema(command, status):
    content = a_record(
        command=command, status=status, suggestion=None, seed=None, warnings=["Two were skipped."]
    )
    jsonschema.validate(json.loads(to_json(content)), SCHEMA)


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
        jsonschema.validate(a_record() | wrong, SCHEMA)


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_the_schema_refuses_a_record_without_a_key(key):
    content = a_record()
    del content[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(content, SCHEMA)


def test_what_is_not_finite_is_null_however_deep():
    content = a_record(
        seconds=1.0,
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
        "import sys; from lrfind.report.environment import environment; import lrfind.report.record;"
        "found = environment();"
        "assert not {'torch', 'torchvision', 'numpy', 'matplotlib', 'rich'} & set(sys.modules);"
        "print(*found, sep=',')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "lrfind,torch,torchvision,python,device_name"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (1e-5, "1e-5"),
        (1.25e-7, "1.25e-7"),
        (10, "10"),
        (1234, "1230"),
        (0, "0"),
        (2e5, "2e5"),
        (1e-10, "1e-10"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_a_rate_is_spelled_briefly_and_reads_back(value, text):
    assert rate_text(value) == text
    assert float(text) == pytest.approx(value, rel=5e-3, nan_ok=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.423, "0.42 s"),
        (12.2, "12 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (math.inf, "?"),
    ],
)
def test_a_duration_is_spelled_for_people(seconds, text):
    assert duration_text(seconds) == text
