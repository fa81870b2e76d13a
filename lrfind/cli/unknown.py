"""Words that are no flag, no override and no key, told with what was probably meant by them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, keys_of_command
from lrfind.cli.flags import LONE_FLAGS, RATE_FLAGS, UsageError, is_plain
from lrfind.cli.overrides import HYDRA_FLAGS, after_flags, value_problem
from lrfind.report.config_text import FLAG as CONFIG_FLAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WORDS = {
    "optimizer.lr": "learning_rate base_lr rate",
    "start_lr": "min_lr lr_min init_lr initial_lr lr_start start from min low",
    "end_lr": "max_lr lr_max final_lr lr_end end to max high",
    "num_steps": "steps iterations iters num_iter num_iters num_iterations max_steps max_iter num_training",
    "verify.steps": "epochs num_epochs max_epochs n_epochs",
    "horizon": "epochs num_epochs max_epochs n_epochs",
    "spacing": "step_mode mode",
    "stop_factor": "diverge_th early_stop_threshold",
    "beta": "smooth_f smoothing smooth",
    "rule": "method suggestion",
    "batch_size": "bs batch batchsize train_batch_size per_device_train_batch_size",
    "num_workers": "workers n_workers",
    "device": "gpu cuda accelerator device_id",
    "ranks": "gpus num_gpus n_gpus nproc_per_node world_size",
    "precision": "amp dtype fp16 bf16 half mixed_precision autocast",
    "clip_grad_norm": "clip grad_clip clip_grad gradient_clip_val max_grad_norm",
    "accumulation_steps": "grad_accum gradient_accumulation_steps accumulate_grad_batches",
    "seed": "random_state random_seed manual_seed",
    "hydra.run.dir": "out output outdir out_dir output_dir save_dir run_dir log_dir logdir o",
    "--config-dir": "config cfg config_file",
    "data": "dataset train_data",
    "data.root": "root path dir folder directory data_dir data_path data_root dataset_path train_dir",
    "data.image_size": "img_size input_size size resize resolution",
    "model": "net network arch architecture backbone",
    "model.num_outputs": "num_classes n_classes classes num_labels out_features output_size",
    "model.hidden_sizes": "layers hidden hidden_size hidden_dim width units",
    "model.weights": "pretrained checkpoint ckpt",
    "model.freeze_backbone": "freeze frozen",
    "optimizer": "opt optim",
    "optimizer.weight_decay": "wd l2 decay",
    "optimizer.betas": "beta1 beta2",
    "criterion": "loss loss_fn loss_function",
}
"""By a key, whole or the last part of it, what it is called elsewhere."""

_NAME = {"name", "type", "kind", "class", "cls"}
"""What an option of a group is elsewhere given as."""

_RANGE = {"run", "find", "fit", "train", "start", "test", "sweep", "lr_find", "find_lr", "lr"}
"""What the range test may be called."""


def _keys_for(word: str, known: Iterable[str]) -> list[str]:
    """The keys that are meant by a word of another program.

    Returns:
        Those of the command; where it has none, those of other options of its groups.
    """
    last = word.rpartition(".")[2].lower()
    ours = [key for key, words in _WORDS.items() if last in words.split()]
    known = list(dict.fromkeys(known))
    found = [key for our in ours for key in known if key == our or key.endswith(f".{our}")]
    # A last part alone says nothing to whoever has no such key.
    return found or [our for our in ours if not our.isidentifier()]


def option_for(word: str, value: str) -> str:
    """How the option of a group is chosen, of which a key like `optimizer.name` was typed; or ""."""
    from lrfind.config.reference import GROUPS, options_of

    group, _, last = word.partition(".")
    if group not in GROUPS or last not in _NAME:
        return ""
    options = options_of(group)
    chosen = next((option for option in options if option == value.lower()), None)
    return f"{group}={chosen}" if chosen else f"{group}=NAME, one of {', '.join(options)}"


def commands_for(word: str) -> list[str]:
    """What stands behind `lrfind` in place of a lone word that names no command: an option, or `range`."""
    from lrfind.config.reference import GROUPS, options_of

    found = [f"{group}={word.lower()}" for group in GROUPS if word.lower() in options_of(group)]
    return found or (["range"] if word.lower() in _RANGE else [])


_KNOWN = (*LONE_FLAGS, *RATE_FLAGS, CONFIG_FLAG, *HYDRA_FLAGS)


def refuse_unknown(words: Sequence[str], command: str) -> None:
    """Refuses a flag that nobody knows, a command that does not stand first, and values that mean nothing."""
    pairs = list(after_flags(words))
    for (word, is_value), before, behind in zip(pairs, ["", *words], [*words[1:], ""], strict=False):
        if is_value:
            continue
        if word in ("epoch", "epochs") and "=" in before:
            raise UsageError(f"a value with a space is written in quotes: '{before} {word}'.")
        if word in COMMANDS and command not in ("verify", word):
            raise UsageError(f"the command comes first: type lrfind {word} and the overrides behind it.")
        if word.startswith("-") and not _is_flag(word):
            raise UsageError(_unknown_flag(word, behind, command))
        if (told := _thousands(word, command) or value_problem(word)) is not None:
            raise UsageError(told)


def _thousands(word: str, command: str) -> str | None:
    """What to type in place of a whole number such as `1.000`, which may be meant for a thousand."""
    found = re.fullmatch(r"([\w.]+)=(\d{1,3})((?:\.\d{3})+)", word)
    if found is None:
        return None
    name, first, others = found.groups()
    if not any(key.name == name and "a whole number" in key.values for key in keys_of_command(command)):
        return None
    whole = first + others.replace(".", "")
    said = f"{word} may be meant as {whole} or as {first}: a whole number has no point, write"
    return f"{said} {name}={whole} or {name}={first}."


def nearest_keys(word: str, known: Iterable[str]) -> list[str]:
    """The keys nearest to a misspelt one: first those that it is the last part of, then its neighbours.

    In between what other programs call so.
    """
    known = list(dict.fromkeys(known))
    prefix, _, last = word.rpartition(".")
    by_end: dict[str, list[str]] = {}
    for key in known:
        by_end.setdefault(key.rpartition(".")[2], []).append(key)
    if last in by_end and (found := [key for key in by_end[last] if key != word]):
        return found[:3]
    if found := _keys_for(word, known):
        return found[:3]
    beside = [key for key in known if key.rpartition(".")[0] == prefix]
    found = difflib.get_close_matches(word, beside, n=2, cutoff=0.75 if prefix else 0.6)
    found += difflib.get_close_matches(word, known, n=1, cutoff=0.85)
    if not found:
        ends = difflib.get_close_matches(last, by_end, n=1, cutoff=0.75)
        found = [key for end in ends for key in by_end[end]]
    return list(dict.fromkeys(found))[:3]


def owners_of(word: str, command: str) -> str:
    """What else knows a key that a command does not: other options of its group, or other commands; or ""."""
    from lrfind.config.reference import options_with

    group = word.partition(".")[0]
    if options := options_with(word):
        return f" It is a key of {group}={' or '.join(options)}."
    others = [
        each for each in COMMANDS if each != command and word in (key.name for key in keys_of_command(each))
    ]
    return f" It is a key of lrfind {', '.join(others)}." if others else ""


def _is_flag(word: str) -> bool:
    name = word.partition("=")[0]
    if name in _KNOWN or word in ("-", "--") or re.match(r"-\.?\d", word):  # a negative number is no flag
        return True
    # Hydra's flags may be cut short, and their values may stand at a short one: -cjob.
    cut = name.startswith("--") and any(flag.startswith(name) for flag in HYDRA_FLAGS)
    return cut or re.fullmatch(r"-(c|i)[a-z-]+|-p\S+", word) is not None


def _unknown_flag(word: str, behind: str, command: str) -> str:
    name, equals, value = word.partition("=")
    bare = name.lstrip("-").replace("-", "_")
    if not equals:
        value = behind if behind and is_plain(behind) else "VALUE"
    from lrfind.config.reference import GROUPS, keys_of_groups

    keys = [*GROUPS, *(key.name for key in keys_of_command(command)), *keys_of_groups()]
    # --batch_size 32, --lr-of anything: a key that is written as a flag.
    meant = [bare] if bare in keys else [key for key in keys if key.rpartition(".")[2] == bare][:3]
    if meant:
        written = " or ".join(f"{key}={value}" for key in meant)
        return f"{name} is no flag: keys are set without dashes, write {written}."
    flags = difflib.get_close_matches(name, [each for each in _KNOWN if each.startswith("--")], n=1)
    value = f"'{value} epochs'" if "epochs" in bare else value
    words = flags or [f"{key}={value}" for key in nearest_keys(bare, keys)]
    guess = f" Did you mean {' or '.join(words)}?" if words else ""
    return f"{name} is no flag of lrfind.{guess} Keys are set as KEY=VALUE; all flags: lrfind --help."
