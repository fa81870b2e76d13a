"""What `lrfind --help` prints, a text, and `lrfind COMMAND --help`, read from the keys of the command."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, keys_of_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lrfind.config.reference import Key

HELP = """\
lrfind: which learning rate?

  lrfind [range] [OVERRIDE ...] [-q | --json]    the learning-rate range test
  lrfind refine [--around LR] [OVERRIDE ...]     the coarse-to-fine sweep, round by round
  lrfind verify [LR] [--lr LR] [OVERRIDE ...]    a search around the suggestion: does it hold?
  lrfind compare [OVERRIDE ...]                  learning curves over learning rates and batch sizes
  lrfind schedule [--try] [OVERRIDE ...]         learning-rate policies: curves, tables, PyTorch code
  lrfind report [DIR ...]                        finished runs as one web page
  lrfind COMMAND --help                          every key of a command with its default, and examples
  lrfind --help | --version

With no arguments it tests a small network on handwritten digits that come with the package. Results: a
suggested rate and why, and range.csv, range.png and range.json in outputs/<date>/<time>.

Examples
  lrfind
  lrfind model=mnist_mlp data=mnist data.root=DIR
  lrfind model=resnet50 data=dogbreed data.root=DIR device=cuda:0
  lrfind model=custom model._target_=mymodel.Net trust=[mymodel]
  lrfind refine --around 0.7
  lrfind refine experiment=textbook_refine_short
  lrfind verify                                  from the suggestion on, until a rate holds
  lrfind verify --lr 0.1                         in CI: exits 4 when 0.1 is no longer sensible
  lrfind schedule 'schedule.policy=[step,cosine]' schedule.from=outputs/DATE/TIME schedule.num_steps=3000
  lrfind schedule --try 'schedule.policy=[fixed,cosine]'   which ends lower on this task?
  lrfind compare compare.lrs=[0.1,0.3,1] compare.batch_sizes=[16,64,256]
  lr=$(lrfind -q model=mlp data=digits)

What is trained (KEY=VALUE)
  model=        mlp mnist_mlp cnn resnet18 resnet50 torchvision timm curve_mlp custom
                lightning transformers
                torchvision, timm: model.name=NAME, model.weights=null|DEFAULT|NAME|PATH,
                model.freeze_backbone=true
  data=         digits mnist fashion_mnist cifar10 dogbreed imagefolder curve custom lightning from_model
                data.root=DIR, data.download=true, data.image_size=N, data.on_error=raise|skip
                data.collate_fn=mymodule.pad   your function that puts samples together as a batch
  optimizer=    sgd momentum nesterov adam adamw nadam radam rmsprop adagrad custom from_model
  criterion=    cross_entropy nll mse half_mse mae huber bce_with_logits from_model custom
  experiment=   gugger_mnist dogbreed_resnet50 (range), textbook_refine textbook_refine_short (refine),
                textbook_batch_size (compare)
  trust=[PACKAGE]  lets _target_ name classes of yours; the working directory can then be imported from.
                   It counts here and in LRFIND_TRUST, not in a config file

How
  device=auto|cpu|cuda|cuda:N|mps   seed=0   precision=fp32|bf16|fp16   batch_size=64   num_workers=null
  accumulation_steps=1   clip_grad_norm=null   channels_last=false   compile=false   deterministic=false
  ranks=N       so many processes of this machine, a GPU each (range, refine, verify)
  distributed=auto|ddp|fsdp   with several ranks: each has the whole model, or a part of it

Flags
  -q, --quiet    stdout is the suggested rate and a newline (schedule: the peak), stderr is for errors alone
  --around LR    refine only: short for refine.around=LR
  --lr LR        verify only: short for verify.lr=LR
  --try          schedule only: short for schedule.try=true
  --json         stdout is the JSON record, nothing else
  --debug        the whole traceback of an error
  --write-config FILE:KEY   also write the suggested rate there, in YAML or TOML: train.yaml:optimizer.lr
  -m             multirun: lrfind -m batch_size=16,64,256
  hydra/launcher=joblib|submitit_slurm|ray   the runs of a command, or with -m the jobs, elsewhere
  objective=loss   with -m and a sweeper that searches: return the loss at the best rate, not the rate
  --cfg job      print the composed config and stop
  --config-dir DIR   a folder of your own configs; DIR/model/mine.yaml is then model=mine
  --config-dir RUN/.hydra --config-name config   repeat a run
  hydra.run.dir=DIR  where the results go
  hydra/callbacks=tensorboard|mlflow|wandb   hands finished runs to a tracker; [tensorboard,mlflow] to both
  Completion: eval "$(lrfind -sc install=bash)". All of Hydra's flags: lrfind --hydra-help

Exit codes
  0 a rate was suggested   2 something given cannot be used   3 no rate can be suggested
  4 verify --lr: that rate is not a sensible one
  129/130/143 interrupted, what was measured is written   1 a defect of lrfind
"""


_WIDTH = 80
_INDENT = 33
"""Column in which the meaning of a key begins."""

_MOST = 40
"""Letters of a default; of more, `...` is shown."""


def help_of(command: str) -> str:
    """The help of a command, at most 80 columns wide."""
    from lrfind.config.reference import GROUPS, options_of

    about = COMMANDS[command]
    keys = keys_of_command(command)
    own = [key for key in keys if key.name.startswith(f"{command}.")]
    shared = [key for key in keys if "." not in key.name]
    more = command != "range" and any(key.name.startswith("range.") for key in keys)
    lines = [about.usage, f"  {about.purpose}", "", "Examples"]
    lines += [f"  {example}" for example in about.examples]
    lines += ["", "What is trained"]
    for group in GROUPS:
        lines += _entry(f"{group}=", " ".join(options_of(group)), 14)
    lines += ["", f"Keys of {command}, with their defaults", *_rows(own)]
    lines += ["", "Keys of every command", *_rows(shared)]
    if more:
        lines += ["", *textwrap.wrap(_OF_THE_RANGE_TEST, _WIDTH)]
    lines += ["", *_MORE]
    return "\n".join(lines) + "\n"


_OF_THE_RANGE_TEST = (
    "The range test that this command may begin with has its settings in range.*: lrfind range --help."
)

_MORE = [
    "Exit codes",
    "  0 a rate was suggested   2 something given cannot be used",
    "  3 no rate can be suggested   4 verify --lr: that rate is no longer sensible",
    "",
    "Flags and all commands: lrfind --help",
    "The composed config of a command line: add --cfg job",
]


def _rows(keys: Iterable[Key]) -> Iterator[str]:
    for key in keys:
        default = key.default if len(key.default) <= _MOST else "..."
        # Where the words are no closed list the meaning says what may be given.
        options = f" ({' | '.join(key.options)})" if key.options and len(key.options) > 1 else ""
        if options == " (true | false)":
            options = ""
        yield from _entry(f"{key.name}={default}", f"{key.meaning}{options}".replace("`", ""), _INDENT)


def _entry(head: str, text: str, indent: int) -> Iterator[str]:
    """A word and what it means, beside it where there is room."""
    first, *rest = textwrap.wrap(text, _WIDTH - indent, break_on_hyphens=False)
    if len(head) + 3 <= indent:
        yield f"  {head:<{indent - 2}}{first}"
    else:
        yield f"  {head}"
        yield " " * indent + first
    for line in rest:
        yield " " * indent + line
