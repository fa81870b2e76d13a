"""Bad input ends in one clear paragraph, the exit code of the contract, and nothing lost."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from lrfind.cli.main import main
from tests.processes import Run

NET = """
import torch
class Net(torch.nn.Linear):
    def __init__(self, outputs=10): super().__init__(64, outputs)
    def forward(self, x): return super().forward(x.flatten(1))
"""

LARGE = """
import torch
class Net(torch.nn.Linear):
    def __init__(self): super().__init__(64, 10)
    def to(self, *args, **kwargs): raise torch.OutOfMemoryError("CUDA out of memory.")
"""
HUNGRY = """
import torch
class Net(torch.nn.Linear):
    def __init__(self): super().__init__(64, 10)
    def forward(self, x): raise torch.OutOfMemoryError("CUDA out of memory.")
"""


def assert_refused(ran, *said: str) -> None:
    """Exit code 2, nothing on stdout, no traceback, and the message says what it must."""
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    lines = [line for line in ran.err.splitlines() if not line.startswith("lrfind: round ")]
    assert lines[0].startswith("lrfind: error: ")
    for words in said:
        assert words in ran.err
    assert not (ran.folder / "range.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=resnet5"], ["model=resnet5 is not known", "Did you mean resnet50"]),
        (["datta=digits"], ["datta is no key", "Did you mean data"]),
        (["range.num_step=5"], ["range.num_step is no key", "range.num_steps"]),
        (["experiment=nope"], ["experiment=nope is not known"]),
        (["+range.bogus=1"], ["range.bogus is no key"]),
        (["range.num_steps=1"], ["range.num_steps must be at least 2, got 1"]),
        (["range.num_steps=many"], ["range.num_steps must be a whole number, got 'many'"]),
        (["range.start_lr=1", "range.end_lr=0.1"], ["range.end_lr must be greater than range.start_lr"]),
        (["range.beta=1"], ["range.beta must be at least 0 and below 1, got 1"]),
        (["range.start_lr=-1"], ["range.start_lr must be greater than 0", "got -1"]),
        (["range.spacing=cubic"], ["range.spacing must be one of geometric, linear, got 'cubic'"]),
        (["range.rule=magic"], ["range.rule must be one of"]),
        (["range.stop_factor=1"], ["range.stop_factor must be greater than 1"]),
        (["batch_size=0"], ["batch_size must be at least 1, got 0"]),
        (["batch_size=5000"], ["batch_size=5000", "1797"]),
        (["device=tpu"], ["device must be auto, cpu, cuda, cuda:N or mps, got 'tpu'"]),
        (["device=cuda:99"], ["device=cuda:99 is not there"]),
        (["data=mnist", "data.root=/nowhere"], ["data.root", "/nowhere", "data.download=true"]),
        (["data=imagefolder", "data.root=/nowhere"], ["data.root", "/nowhere"]),
        (["model=mnist_mlp"], ["784"]),
        (["model=torchvision", "model.name=resnet5"], ["model.name=resnet5", "resnet50"]),
        (["model=torchvision"], ["model.name is required"]),
        (["model=resnet18", "model.weights=/nowhere.pt", "data.channels=3"], ["/nowhere.pt"]),
        (
            ["optimizer.momentum=-1"],
            ["optimizer.momentum must be a number of at least 0 and below 1, got -1."],
        ),
        (
            ["optimizer=adam", "optimizer.betas=0.9", "optimizer.eps=null"],
            [
                "optimizer.betas must be a list of 2 numbers of at least 0 and below 1, such as [0.9,0.999], "
                "got 0.9.",
                "optimizer.eps must be a finite number of at least 0, got null.",
            ],
        ),
        (
            ["+optimizer.bogus=1"],
            ["optimizer.bogus is no argument of torch.optim.SGD. It takes optimizer.lr,"],
        ),
        (
            ["optimizer.weight_decay=x"],
            ["optimizer.weight_decay must be a finite number of at least 0, got 'x'."],
        ),
        (["model=custom"], ["model._target_ is required"]),
        (
            ["model._target_=torch.hub.load"],
            ["model._target_=torch.hub.load is not trusted", "trust=[torch]"],
        ),
        (["model._target_=torch.nn.functional.torch.hub.load"], ["is not trusted", "torch.hub"]),
        (["data._target_=os.system"], ["data._target_=os.system is not trusted", "trust=[os]"]),
        (["+model.inner={_target_: os.getcwd}"], ["model.inner._target_=os.getcwd is not trusted"]),
        (["model._target_=torch.nn.Nothing"], ["model._target_=torch.nn.Nothing leads nowhere"]),
        (["model=custom", "model._target_=absent.Net", "trust=[absent]"], ["absent.Net leads nowhere"]),
        (["criterion=mse"], ["criterion", "(64, 10)", "(64,)"]),
        (["model.num_outputs=4"], ["labels go up to 9", "4 outputs", "model.num_outputs"]),
        (["model=custom", "model._target_=torch.nn.Flatten"], ["no trainable parameters"]),
        (["range.metric=accuracy", "data=curve"], ["range.metric=accuracy", "range.metric=loss"]),
        (["seed=-1", "batch_size=0"], ["seed must be at least 0", "batch_size must be at least 1"]),
        (["hydra.run.dir"], ["KEY=VALUE"]),
        (["model=3"], ["must be a string"]),
        (["range.skip_start=200"], ["range.skip_start must be less than range.num_steps=60"]),
        (["criterion=nll"], ["nll takes log-probabilities", "criterion=cross_entropy"]),
        (["range.validation.samples=99999"], ["range.validation.samples=99999 leaves less"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and "=" in value[0] else "",
)
def test_refused(lrfind, words, said):
    assert_refused(lrfind(*words), *said)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["rnage"], "Did you mean lrfind range?"), (["-q", "--json"], "both claim stdout")],
)
def test_refused_before_hydra(capfd, words, said):
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err


def picture_folder(root: Path, per_class: int = 6, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    from PIL import Image

    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            Image.new("RGB", (12, 10), (i * 20, 99, zlib.crc32(name.encode()) % 255)).save(
                root / name / f"{i}.png"
            )
    return root


PICTURES = ["model=cnn", "data=imagefolder", "data.image_size=8", "batch_size=4", "range.num_steps=6",
            "num_workers=0"]  # fmt: skip


def test_empty_data_folder_is_refused(lrfind, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(lrfind(*PICTURES, f"data.root={tmp_path / 'empty'}"), "data.root", "empty")


def test_one_class_is_refused(lrfind, tmp_path):
    assert_refused(
        lrfind(*PICTURES, f"data.root={picture_folder(tmp_path / 'd', classes=('cat',))}"), "one class"
    )


def test_corrupt_picture_is_named_and_can_be_skipped_and_is_then_counted(lrfind, tmp_path):
    root = picture_folder(tmp_path / "d")
    (root / "cat" / "0.png").write_bytes(b"not a picture")
    assert_refused(lrfind(*PICTURES, f"data.root={root}"), str(Path("cat") / "0.png"), "data.on_error=skip")
    ran = lrfind(*PICTURES, f"data.root={root}", "data.on_error=skip", folder="skipping")
    assert ran.code in (0, 3)
    assert "1 pictures could not be read" in ran.err
    assert "0.png" in ran.record["warnings"][0]


def test_folder_without_a_readable_picture_is_refused_even_when_skipping(lrfind, tmp_path):
    root = picture_folder(tmp_path / "d")
    for path in root.rglob("*.png"):
        path.write_bytes(b"no")
    assert_refused(
        lrfind(*PICTURES, f"data.root={root}", "data.on_error=skip"),
        "no picture could be read",
        "12 were skipped",
    )


def test_labels_csv_that_names_absent_files_is_refused(lrfind, tmp_path):
    root = tmp_path / "d"
    picture_folder(tmp_path / "pictures")
    (root / "train").mkdir(parents=True)
    (tmp_path / "pictures" / "cat" / "0.png").rename(root / "train" / "bbb.png")
    (root / "labels.csv").write_text("id,breed\naaa,beagle\nbbb,boxer\n")
    assert_refused(lrfind(*PICTURES, "data=dogbreed", f"data.root={root}"), "labels.csv", "aaa")


def test_checkpoint_that_is_a_pickle_is_refused(lrfind, tmp_path):
    import pickle

    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Path("x")))
    words = ["model=resnet18", f"model.weights={path}", *PICTURES[2:], "data=imagefolder"]
    assert_refused(lrfind(*words, f"data.root={picture_folder(tmp_path / 'd')}"), str(path))


def test_batch_with_labels_outside_the_outputs_of_a_strangers_model(lrfind, own):
    own("small", NET)
    assert_refused(
        lrfind("model=custom", "model._target_=small.Net", "+model.outputs=3", "trust=[small]"),
        "labels go up to 9", "3 outputs",
    )  # fmt: skip


def test_closure_optimizer_is_refused(lrfind):
    assert_refused(lrfind("optimizer=custom", "optimizer._target_=torch.optim.LBFGS"), "LBFGS", "closure")


def test_output_directory_that_is_a_file_is_refused(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    assert main(["-q", f"hydra.run.dir={tmp_path / 'file' / 'run'}"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "hydra.run.dir" in err


@pytest.mark.skipif(os.name == "nt" or not Path("/dev/full").exists(), reason="needs a full device")
def test_full_disk_says_the_suggestion_so_that_it_is_not_lost(lrfind, monkeypatch):
    import errno

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ran = lrfind("-q")
    assert ran.code == 2
    assert "no space is left" in ran.err
    assert "The suggested learning rate was 0." in ran.err
    assert not [p for p in ran.folder.iterdir() if p.name != ".hydra"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
@pytest.mark.parametrize("words", [["-q"], ["--json"], []], ids=" ".join)
def test_a_full_stdout_is_no_defect(tmp_path, words):
    run = Run([*words, "range.num_steps=20", "hydra.run.dir=run"], tmp_path, out="/dev/full")
    assert run.end() == 2
    assert "Traceback" not in run.said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_stdout_of_a_process_of_its_own_is_no_defect(tmp_path):
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "lrfind", "--help"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_out_of_memory_says_the_batch_size(lrfind, own):
    own("hungry", HUNGRY)
    assert_refused(
        lrfind("model=custom", "model._target_=hungry.Net", "trust=[hungry]"), "batch_size", "bf16"
    )


@pytest.mark.parametrize("command", ["range", "refine"])
def test_out_of_memory_while_the_model_moves_is_told_the_same_way(lrfind, own, command):
    own("large", LARGE)
    ran = lrfind(command, "model=custom", "model._target_=large.Net", "trust=[large]")
    assert_refused(ran, "batch_size", "smaller model")


def test_a_stranger_that_ends_the_process_is_told(lrfind, own):
    own("quitter", "import sys\ndef net(): sys.exit(7)\n")
    assert_refused(lrfind("model=custom", "model._target_=quitter.net", "trust=[quitter]"), "exit status 7")


def test_verbose_shows_the_traceback_of_a_users_error(lrfind):
    ran = lrfind("batch_size=5000", "hydra.verbose=true")
    assert ran.code == 2
    assert "Traceback" in ran.err


def test_a_defect_is_exit_code_1_with_a_traceback(lrfind, monkeypatch):
    from lrfind.range_test import firm_answer as sweeping

    monkeypatch.setattr(sweeping, "read", None)
    ran = lrfind("range.num_steps=20")
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert "TypeError: 'NoneType' object is not callable" in ran.err
    assert "report it" in ran.err
