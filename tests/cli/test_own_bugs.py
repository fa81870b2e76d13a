"""A bug in the user's own code: his frames are shown, nobody else's, and the sample that it met."""

import pytest

MODULE = """import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.head = nn.Linear(4, width)

    def forward(self, x):
        return self.head(x)


class Misspelt(Net):
    def forward(self, x):
        return self.features(x)

    def features(self, x):
        return self.hed(x)


class Unmade(Net):
    def __init__(self):
        super().__init__(widht)


class Grouped(Net):
    def parameter_groups(self):
        return [{"params": self.nothing.parameters()}]


class Map(Dataset):
    def __init__(self, bad=-1):
        self.bad = bad

    def __len__(self):
        return 60

    def __getitem__(self, i):
        if i == self.bad:
            raise KeyError(f"no label for {i}")
        return torch.full((4,), float(i % 3)), i % 3


class Endless(Map):
    def __len__(self):
        return len(self.items)


class Stream(IterableDataset):
    def __iter__(self):
        for i in range(60):
            if i == 33:
                raise ValueError("torn")
            yield torch.zeros(4), 0


def loader(num_workers=0):
    return DataLoader(Map(bad=17), batch_size=10, num_workers=num_workers)


def loss(outputs, target):
    return nn.functional.cross_entropy(outputs, target) * {}["weight"]


class Still(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("does not move")
"""

NET = ["model=custom", "model._target_=mine.Net"]
DATA = ["data=custom", "data._target_=mine.Map"]
BAD = [*NET, *DATA, "+data.bad=17"]


@pytest.fixture
def mine(own, lrfind):
    """Runs the command on the module above."""
    own("mine", MODULE)

    def run(*words: str, **others):
        sizes = ["batch_size=10", "num_workers=0"]
        given = [word.split("=")[0] for word in words]
        return lrfind(*words, *(s for s in sizes if s.split("=")[0] not in given), "trust=[mine]", **others)

    return run


def line_of(text: str) -> int:
    (number,) = [i for i, line in enumerate(MODULE.splitlines(), 1) if text in line]
    return number


@pytest.mark.parametrize(
    ("words", "said", "failed", "functions"),
    [
        (
            ["model=custom", "model._target_=mine.Misspelt", *DATA],
            "model: raised AttributeError: 'Misspelt' object has no attribute 'hed' "
            "(mine.py, line {line}, in features), given a batch of (shape (10, 4)",
            "self.hed(x)",
            ["forward", "features"],
        ),
        (
            ["model=custom", "model._target_=mine.Unmade", *DATA],
            "model: mine.Unmade could not be made without arguments: NameError: name 'widht' is not defined "
            "(mine.py, line {line}, in __init__).",
            "widht",
            ["__init__"],
        ),
        (
            ["model=custom", "model._target_=mine.Grouped", *DATA],
            "model: Grouped.parameter_groups() raised AttributeError",
            "self.nothing",
            ["parameter_groups"],
        ),
        (
            [*NET, "data=custom", "data._target_=mine.Endless"],
            "code of yours raised AttributeError: 'Endless' object has no attribute 'items'",
            "len(self.items)",
            ["__len__"],
        ),
        (
            [*NET, *DATA, "criterion=custom", "criterion._target_=mine.loss", "+criterion._partial_=true"],
            "criterion: raised KeyError: 'weight' (mine.py, line {line}, in loss), given outputs of shape",
            '{}["weight"]',
            ["loss"],
        ),
        (
            [*NET, *DATA, "optimizer=custom", "optimizer._target_=mine.Still", "+optimizer.lr=0.1"],
            "optimizer: Still.step() raised RuntimeError: does not move (mine.py, line {line}, in step).",
            "does not move",
            ["step"],
        ),
        (
            BAD,
            "data: the data set raised KeyError: 'no label for 17' at sample 17 (mine.py, line {line}, in "
            "__getitem__).",
            "raise KeyError",
            ["__getitem__"],
        ),
        (
            [*NET, "data=custom", "data._target_=mine.Stream"],
            "raised ValueError: torn at sample 33",
            "torn",
            ["__iter__"],
        ),
        (
            [*NET, "data=custom", "data._target_=mine.loader"],
            "at sample 17",
            "raise KeyError",
            ["__getitem__"],
        ),
    ],
    ids=["forward", "init", "groups", "len", "loss", "optimizer", "data", "stream", "loader"],
)
def test_the_users_frames_are_shown_and_no_others(mine, words, said, failed, functions):
    ran = mine(*words)
    line = line_of(failed)
    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    errors = ran.err.splitlines()
    (first,) = [i for i, each in enumerate(errors) if each.startswith("lrfind: error: ")]
    assert said.replace("{line}", str(line)) in errors[first]
    files = [each for each in errors[first + 1 :] if each.startswith("  File ")]
    assert [each.rpartition(" in ")[2] for each in files] == functions
    assert all(each.startswith('  File "mine.py", line ') for each in files)
    assert f"  > {line:>4} | {MODULE.splitlines()[line - 1]}" in errors
    assert f"    {line - 1:>4} | {MODULE.splitlines()[line - 2]}" in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "at"),
    [
        ([*BAD, "num_workers=1"], " at sample 17 "),
        ([*NET, "data=custom", "data._target_=mine.loader", "+data.num_workers=1"], " (mine.py"),
    ],
    ids=["ours", "a loader of his own"],
)
def test_a_worker_process_hands_over_where_it_failed(mine, words, at):
    ran = mine(*words)
    assert ran.code == 2
    assert at in ran.err
    assert f"(mine.py, line {line_of('raise KeyError')}, in __getitem__)" in ran.err
    assert ran.err.count('  File "mine.py"') == 1
    debugged = mine(*words, "--debug", folder="again")
    assert debugged.code == 2
    assert debugged.err.count("Traceback (most recent call last)") >= 2


def test_debug_shows_all_of_it(mine):
    ran = mine("--debug", "model=custom", "model._target_=mine.Misspelt", *DATA)
    assert ran.code == 2
    assert "Traceback (most recent call last)" in ran.err
    assert "objective.py" in ran.err
    assert ran.err.count('File "mine.py", line ') == 2


def test_each_job_of_a_multirun_shows_its_own(mine, tmp_path):
    ran = mine("-m", "seed=1,2", "model=custom", "model._target_=mine.Misspelt", *DATA,
               f"hydra.sweep.dir={tmp_path / 'sweep'}")  # fmt: skip
    assert ran.code == 2
    assert ran.err.count("self.hed(x)") == 2
    assert "Traceback" not in ran.err
    assert f"line {line_of('self.hed')}, in features" in (tmp_path / "sweep" / "multirun.csv").read_text()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import nothing_like_it\n",
            "ModuleNotFoundError: No module named 'nothing_like_it' (torn.py, line 1)",
        ),
        ("x = (\n", "SyntaxError: '(' was never closed (torn.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_names_the_line(own, lrfind, source, said):
    own("torn", source)
    ran = lrfind("model=custom", "model._target_=torn.Net", "trust=[torn]")
    assert ran.code == 2
    assert f"model._target_=torn.Net could not be imported: {said}." in ran.err
    assert "  >    1 | " in ran.err


def test_a_misspelt_class_is_told_the_nearest(mine):
    ran = mine("model=custom", "model._target_=mine.Mispelt", *DATA)
    assert ran.code == 2
    assert "leads nowhere: there is no Mispelt in mine. Did you mean Misspelt?" in ran.err
