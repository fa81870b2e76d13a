"""What other programs call our keys: whoever comes from one of them types its words first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def keys_for(word: str, known: Iterable[str]) -> list[str]:
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
