"""What commands find on two ranks and in one process; `test_ranks.py` runs it and reads what each wrote.

python -m tests.cli.rank_scenarios FOLDER
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist
from hydra import compose, initialize_config_module

from lrfind.cli.commands import COMMANDS
from lrfind.config.validate import validated
from lrfind.execution.distributed import joined
from lrfind.report.observers import Nobody
from tests.two_ranks import RANKS, fork

FIVE = "refine.segments=[{start: 0.1, stop: 0.5, step: 0.1, iterations: 4}]"
STREAM = [
    *("model=custom", "model._target_=own.Net", "data=custom", "data._target_=own.Stream", "trust=[own]"),
]
RUNS = {
    "sgd": ["range"],
    # Further up, where it diverges, AdamW makes much of the last digit.
    "adamw": ["range", "optimizer=adamw", "clip_grad_norm=0.5", "range.end_lr=0.1"],
    "accumulated": ["range", "accumulation_steps=2"],
    "stream": ["range", *STREAM, "range.num_steps=40"],
    "verify": ["verify", "verify.around=0.1", "verify.steps=20", "verify.seeds=2"],
    "refine": ["refine", "refine.rounds=1", "refine.seeds=2", FIVE],
    "refine read": ["refine", "refine.rounds=1", "refine.read=subset", FIVE],
    "refine restart": ["refine", "refine.rounds=1", "refine.restart=true", "refine.halving=true", FIVE],
}
SEQUENTIAL = {"refine": ["refine.strategy=sequential", "refine.save_every=null"]}
"""What the command line chooses on ranks."""
OWN = """
import os, torch
from torch.utils.data import IterableDataset

class Stream(IterableDataset):
    \"\"\"Labels that the inputs decide, in the order in which they come.\"\"\"

    def __iter__(self):
        generator = torch.Generator().manual_seed(3)
        while True:
            x = torch.randn(6, generator=generator)
            yield x, x[:3].argmax()

class Net(torch.nn.Linear):
    def __init__(self, broken=False):
        super().__init__(6, 3)
        self.broken = broken
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        out = super().forward(x)
        return out * float("nan") if self.broken and self.calls > 9 and os.environ["RANK"] == "1" else out
"""


def run(folder, command, *words):
    """What a command found: its table, its suggestion, how it ended."""
    about = COMMANDS[command]
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        ladder = () if command == "refine" else ("range.repeats=1",)
        config = validated(compose(command, ["device=cpu", *ladder, *words]), about.config)
    report = import_module(f"lrfind.{about.room}.command").run(config, folder, Nobody())
    columns, *rows = (line.split(",") for line in report.files[f"{command}.csv"]().splitlines())
    found = report.findings
    return {
        "columns": columns,
        "rows": rows,
        "lr": None if found.suggestion is None else found.suggestion.lr,
        "status": found.status.value,
        "verdict": found.verdict,
    }


def on_ranks(rank, folder):
    """Every scenario on this rank."""
    os.environ["RANK"] = str(rank)
    found = {}
    store = dist.FileStore(str(folder / "store"), RANKS)
    with joined(store, rank, RANKS, backend="gloo", arguments={}):
        for how in ("ddp", "fsdp"):
            ranks = ("batch_size=64", "ranks=2", f"distributed={how}")
            for name, (command, *words) in RUNS.items():
                found[f"{how} {name}"] = run(folder, command, *words, *ranks, *SEQUENTIAL.get(command, ()))
        broken = ("+model.broken=true", "range.num_steps=40", "range.paired=false")
        found["nan"] = run(folder, "range", *STREAM, *broken, "ranks=2")
    (folder / f"{rank}.json").write_text(json.dumps(found))


def in_one_process(folder):
    """The same on the global batches: what a stream gives as one is what ranks get as two."""
    return {
        name: run(folder, command, *words, "batch_size=128", *SEQUENTIAL.get(command, ()))
        for name, (command, *words) in RUNS.items()
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = Path(sys.argv[1])
    (given / "own.py").write_text(OWN)
    sys.path.insert(0, str(given))
    (given / "alone.json").write_text(json.dumps(in_one_process(given)))
    sys.exit(fork(on_ranks, given))
