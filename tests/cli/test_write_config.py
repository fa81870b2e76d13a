"""`--write-config FILE:KEY`: looked at before the run, written after it, whole or not at all."""

import importlib.util
import os

import pytest

from lrfind.report import config_file
from tests.records import check_record
from tests.toy_tasks import BOWL, ON_BOWL

needs_tomlkit = pytest.mark.skipif(
    importlib.util.find_spec("tomlkit") is None, reason="tomlkit is not installed"
)
YAML = "# mine\noptimizer:\n    lr:   3.0   # by hand\n    name: sgd\n"
QUICK = ("range.num_steps=40",)
NOTHING = ("range.start_lr=1e-9", "range.end_lr=1e-8")


@pytest.fixture
def train(tmp_path, own):
    own("bowl", BOWL)
    path = tmp_path / "train.yaml"
    path.write_text(YAML)
    return path


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("range", QUICK),
        ("refine", ("refine.rounds=1",)),
        ("verify", (*QUICK, "verify.steps=10", "verify.seeds=1")),
        ("schedule", ("schedule.policy=cosine", "schedule.lr=0.5", "schedule.num_steps=10")),
        ("compare", ("compare.lrs=[0.1,1.0]", "compare.samples=40", "compare.held_out=8")),
    ],
)
def test_every_command_that_suggests_a_rate_writes_it_and_keeps_all_else(lrfind, train, command, words):
    ran = lrfind(command, "--write-config", "train.yaml:optimizer.lr", *ON_BOWL, *words)
    assert ran.code == 0, ran.err
    rate = ran.record["suggestion"]["lr"]
    assert train.read_text() == YAML.replace("3.0", repr(rate))
    assert ran.record["write_config"] == {
        "file": "train.yaml", "key": "optimizer.lr", "old": 3.0, "new": rate,
    }  # fmt: skip
    check_record(ran.record)
    assert "train.yaml: optimizer.lr is" in ran.err
    assert "now, and was 3." in ran.err


def test_the_flag_may_stand_at_the_end_and_quiet_stays_quiet(lrfind, train):
    ran = lrfind(*ON_BOWL, *QUICK, "-q", "--write-config=train.yaml:optimizer.lr")
    assert (ran.code, ran.err) == (0, "")
    assert train.read_text() == YAML.replace("3.0", ran.out.strip())


def test_a_rate_that_is_there_already_is_not_written_again(lrfind, train):
    words = (*ON_BOWL, *QUICK, "--write-config", "train.yaml:optimizer.lr")
    assert lrfind(*words).code == 0
    before = train.stat().st_ino
    again = lrfind(*words, folder="again")
    assert " already." in again.err
    assert train.stat().st_ino == before
    assert again.record["write_config"]["old"] == again.record["write_config"]["new"]


def test_permissions_stay_and_a_link_stays_a_link(lrfind, train, tmp_path):
    (tmp_path / "real").mkdir()
    train.rename(tmp_path / "real" / "config.yaml")
    train.symlink_to("real/config.yaml")
    (tmp_path / "real" / "config.yaml").chmod(0o640)
    assert lrfind(*ON_BOWL, *QUICK, "--write-config", "train.yaml:optimizer.lr").code == 0
    assert train.is_symlink()
    assert train.read_text() != YAML
    assert (tmp_path / "real" / "config.yaml").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["config.yaml"]


@needs_tomlkit
def test_toml_is_written_too(lrfind, train, tmp_path):
    path = tmp_path / "train.toml"
    path.write_text("[optimizer]\nlr = 3 # by hand\n")
    ran = lrfind(*ON_BOWL, *QUICK, "--write-config", "train.toml:optimizer.lr")
    assert ran.code == 0, ran.err
    assert path.read_text() == f"[optimizer]\nlr = {ran.record['suggestion']['lr']} # by hand\n"


def test_toml_without_tomlkit_names_the_extra(lrfind, train, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tomlkit", None)
    (tmp_path / "train.toml").write_text("lr = 3\n")
    ran = lrfind(*ON_BOWL, "--write-config", "train.toml:lr")
    assert ran.code == 2
    assert "TOML files need tomlkit" in ran.err
    assert "pip install 'lrfind[write-config]'" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--write-config"], "needs a file and a key of it: --write-config train.yaml:optimizer.lr."),
        (["--write-config", "train.yaml"], "needs a file and a key of it"),
        (["--write-config", "device=cpu"], "needs a file and a key of it"),
        (["--write-config=train.yaml:"], "needs a file and a key of it, got 'train.yaml:'"),
        (["--write-config=train.yaml:optimizer..lr"], "needs a file and a key of it"),
        (["--write-config=gone.yaml:lr"], "gone.yaml is not there."),
        (["--write-config=folder.yaml:lr"], "folder.yaml is no file."),
        (["--write-config=train.json:lr"], "its name must end in .yaml, .yml, .toml."),
        (["--write-config=latin.yaml:lr"], "latin.yaml is no text in UTF-8."),
        (["--write-config=train.yaml:optimizer.rate"], "train.yaml has no key optimizer.rate; under"),
        (["--write-config=train.yaml:optimizer.name"], "train.yaml has sgd at optimizer.name, not a number."),
        (["--write-config=train.yaml:optimizer.lr", "--write-config=b.yaml:lr"], "to one key, got"),
        (["-m", "batch_size=2,4", "--write-config=train.yaml:optimizer.lr"], "and -m makes many"),
        (["--write-config=train.yaml:optimizer.lr", "hydra.mode=MULTIRUN"], "and -m makes many"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_runs(lrfind, train, tmp_path, words, message):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "train.json").write_text("{}")
    (tmp_path / "latin.yaml").write_bytes(b"lr: 1 # \xe4\n")
    ran = lrfind(*ON_BOWL, *words)
    assert ran.code == 2
    assert message in ran.err
    assert train.read_text() == YAML
    assert not ran.folder.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="to root every file is writable")
def test_a_read_only_file_is_refused_before_anything_runs(lrfind, train):
    train.chmod(0o444)
    ran = lrfind(*ON_BOWL, "--write-config=train.yaml:optimizer.lr")
    assert ran.code == 2
    assert "it is read-only" in ran.err


def test_nothing_is_written_where_nothing_is_suggested(lrfind, train):
    ran = lrfind(*ON_BOWL, *NOTHING, "--write-config=train.yaml:optimizer.lr")
    assert ran.code == 3
    assert train.read_text() == YAML
    assert "write_config" not in ran.record
    assert "train.yaml: optimizer.lr is as it was." in ran.err


def test_nothing_is_written_beside_a_pinned_rate_that_is_refused(lrfind, train):
    words = ("verify", "--lr", "100", "verify.around=1", "verify.steps=10", "verify.seeds=1")
    ran = lrfind(*words, *ON_BOWL, "--write-config=train.yaml:optimizer.lr")
    assert ran.code == 4, ran.err
    assert train.read_text() == YAML
    assert "write_config" not in ran.record
    assert "train.yaml: optimizer.lr is as it was." in ran.err


def test_a_key_that_goes_during_the_run_costs_no_result(lrfind, train, monkeypatch):
    checked = config_file.ConfigKey.check

    def then_gone(self):
        checked(self)
        train.write_text("optimizer: {}\n")

    monkeypatch.setattr(config_file.ConfigKey, "check", then_gone)
    ran = lrfind(*ON_BOWL, *QUICK, "--write-config=train.yaml:optimizer.lr")
    assert ran.code == 2
    rate = ran.record["suggestion"]["lr"]
    assert f"has no key optimizer.lr. The suggested learning rate was {rate:g}" in ran.err
    assert train.read_text() == "optimizer: {}\n"
    assert "write_config" not in ran.record


def test_a_file_that_cannot_be_replaced_stays_whole_and_the_record_does_not_say_it_was(
    lrfind, train, monkeypatch
):
    def full(target, data, *, mode=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(config_file, "replace_file", full)
    ran = lrfind(*ON_BOWL, *QUICK, "--write-config=train.yaml:optimizer.lr")
    assert ran.code == 2
    assert "train.yaml cannot be written: No space left on device." in ran.err
    assert train.read_text() == YAML
    assert "write_config" not in ran.record
    assert (ran.folder / "range.png").exists()
