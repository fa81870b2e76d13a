"""Trainers: their loss, collator, accumulation and optimizer are kept to, and they are put back."""

import pytest
import torch
from torch import nn

from lrfind import range_test, verify
from lrfind.adapters.transformers import from_trainer
from lrfind.errors import ModelError
from lrfind.tasks.data.own_loader import rebatched

transformers = pytest.importorskip("transformers", reason="not installed: pip install 'lrfind[transformers]'")
pytest.importorskip("accelerate", reason="not installed: pip install 'lrfind[transformers]'")

# transformers and accelerate warn of their own and of torch's deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")


class Texts(torch.utils.data.Dataset):
    """Token ids of several lengths, a label that the first of them tells, and a column to leave out."""

    def __init__(self, *, language):
        self.language = language

    def __len__(self):
        return 64

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        length = 4 + index % 5
        ids = torch.randint(5, 40, (length,), generator=generator).tolist()
        labels = ids if self.language else int(ids[0] > 20)
        return {"input_ids": ids, "labels": labels, "index": index}


def padded(samples):
    longest = max(len(sample["input_ids"]) for sample in samples)
    pad = [longest - len(sample["input_ids"]) for sample in samples]
    batch = {
        "input_ids": torch.tensor([s["input_ids"] + [0] * n for s, n in zip(samples, pad, strict=True)]),
        "attention_mask": torch.tensor([[1] * (longest - n) + [0] * n for n in pad]),
    }
    if isinstance(samples[0]["labels"], list):
        batch["labels"] = torch.tensor([s["labels"] + [-100] * n for s, n in zip(samples, pad, strict=True)])
    else:
        batch["labels"] = torch.tensor([s["labels"] for s in samples])
    return batch


SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def classifier():
    config = transformers.BertConfig(**SIZES, intermediate_size=16, max_position_embeddings=16, num_labels=2)
    return transformers.BertForSequenceClassification(config)


def language_model():
    config = transformers.LlamaConfig(
        **SIZES, intermediate_size=16, num_key_value_heads=2, max_position_embeddings=16
    )
    return transformers.LlamaForCausalLM(config)


def make_trainer(tmp_path, model=classifier, kind=None, **arguments):
    torch.manual_seed(0)
    made = model()
    arguments = {"per_device_train_batch_size": 8, "learning_rate": 1e-3, "max_grad_norm": 0.0} | arguments
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        **arguments,
    )
    return (kind or transformers.Trainer)(
        model=made, args=args, train_dataset=Texts(language=model is language_model), data_collator=padded
    )


def test_all_that_range_test_needs_is_there(tmp_path):
    trainer = make_trainer(tmp_path, gradient_accumulation_steps=2, max_grad_norm=0.5, bf16=True)
    given = from_trainer(trainer)
    assert given["model"] is trainer.model
    assert given["criterion"] is None
    assert (given["accumulation_steps"], given["clip_grad_norm"], given["precision"]) == (2, 0.5, "bf16")
    assert [group["weight_decay"] for group in given["optimizer"].param_groups] == [0.0, 0.0]
    assert len(given["loader"]) == 8
    assert given["loader"].batch_size == 8


def test_its_loader_gives_batches_of_another_size_and_counts_their_items(tmp_path):
    given = from_trainer(make_trainer(tmp_path, language_model, gradient_accumulation_steps=2))
    loader = rebatched(given["loader"], 16)
    assert (loader.batch_size, len(loader)) == (16, 4)
    first, second, *_ = list(loader)
    assert len(first["labels"]) == len(second["labels"]) == 16
    # Items are the labels that are predicted: all but the first of each, and none of the padding.
    counted = sum((batch["labels"][:, 1:] != -100).sum() for batch in (first, second))
    assert first["lrfind_num_items_in_batch"] == second["lrfind_num_items_in_batch"] == counted
    result = range_test(**given, batch_size=16, num_steps=4, repeats=1, paired=False)
    assert "batch size 16" in result.title


def test_the_order_follows_the_seed_of_torch(tmp_path):
    loader = from_trainer(make_trainer(tmp_path))["loader"]

    def order(seed):
        torch.manual_seed(seed)
        return [batch["labels"].tolist() for batch in loader]

    assert order(1) == order(1) != order(2)


@pytest.mark.parametrize("model", [classifier, language_model])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("steps", [1, 4])
def test_a_step_has_the_loss_and_the_gradient_of_the_trainer(tmp_path, model, smoothing, steps):
    """Held against Trainer.training_step on the same batches, padded to several lengths."""
    trainer = make_trainer(
        tmp_path, model, label_smoothing_factor=smoothing, gradient_accumulation_steps=steps
    )
    given = from_trainer(trainer)
    net = given["model"].eval()  # no dropout
    batches = [batch for batch, _ in zip(given["loader"], range(steps), strict=False)]
    total = sum(given["forward"](net, batch)["loss"] for batch in batches) / steps
    total.backward()
    ours = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}

    net.zero_grad()
    plain = [{k: v for k, v in batch.items() if k != "lrfind_num_items_in_batch"} for batch in batches]
    several, items = trainer.get_batch_samples(iter(plain), steps, torch.device("cpu"))
    trainer.current_gradient_accumulation_steps = steps
    net.train = lambda mode=True: net
    theirs = sum(trainer.training_step(net, batch, items) for batch in several)
    assert total.item() == pytest.approx(float(theirs), rel=1e-5)
    for name, p in net.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(ours[name], p.grad, rtol=1e-4, atol=1e-7)


def test_a_range_test_puts_everything_back_and_the_trainer_still_trains(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=3)
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    known, loaders = dict(vars(trainer)), list(trainer.accelerator._dataloaders)
    found = range_test(**from_trainer(trainer), num_steps=12, repeats=1)
    assert len(found.curve) > 3
    assert all(torch.equal(value, before[key]) for key, value in trainer.model.state_dict().items())
    assert vars(trainer).keys() == known.keys()
    assert trainer.optimizer is None
    assert trainer.state.log_history == []
    assert trainer.accelerator._dataloaders == loaders
    assert not trainer.accelerator.gradient_state.in_dataloader
    trainer.train()
    assert trainer.state.global_step == 3


def test_a_loss_of_ones_own_is_taken_and_logs_nothing(tmp_path):
    class Own(transformers.Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            outputs = model(**inputs)
            self.log({"seen": 1.0})
            loss = outputs.logits.square().mean()
            return (loss, outputs) if return_outputs else loss

    trainer = make_trainer(tmp_path, kind=Own)
    given = from_trainer(trainer)
    out = given["forward"](given["model"].eval(), next(iter(given["loader"])))
    assert out["loss"].item() == pytest.approx(out["logits"].square().mean().item())
    assert trainer.state.log_history == []
    assert "log" not in vars(trainer)


def test_accuracy_is_read_from_logits_and_labels(tmp_path):
    found = range_test(**from_trainer(make_trainer(tmp_path)), num_steps=6, repeats=1, metric="accuracy")
    assert found.curve.accuracies is not None
    assert ((found.curve.accuracies >= 0) & (found.curve.accuracies <= 1)).all()


def test_verify_takes_the_same_arguments(tmp_path):
    given = from_trainer(make_trainer(tmp_path))
    held_out = [padded([Texts(language=False)[index] for index in range(8)])]
    assert verify(**given, around=1e-3, held_out=held_out, steps=4, seeds=1).verdict


def test_a_training_step_of_ones_own_is_told_of(tmp_path):
    class Own(transformers.Trainer):
        def training_step(self, *args, **kwargs):
            return super().training_step(*args, **kwargs)

    with pytest.warns(UserWarning, match="training_step of its own, which is not called"):
        from_trainer(make_trainer(tmp_path, kind=Own))


def test_what_cannot_be_is_refused_in_words(tmp_path):
    with pytest.raises(ModelError, match=r"neftune_noise_alpha=5"):
        from_trainer(make_trainer(tmp_path, neftune_noise_alpha=5))
    with pytest.raises(ModelError, match="Linear is no Trainer of transformers"):
        from_trainer(nn.Linear(1, 1))
    trainer = make_trainer(tmp_path)
    trainer.train_dataset = None
    with pytest.raises(ModelError, match="has no train_dataset"):
        from_trainer(trainer)
    trainer = make_trainer(tmp_path)
    trainer.is_fsdp_enabled = True
    with pytest.raises(ModelError, match="DeepSpeed or FSDP"):
        from_trainer(trainer)


MODULE = """
import torch, transformers

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        ids = torch.randint(5, 40, (6,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": ids, "labels": int(ids[0] > 20)}

def model():
    sizes = dict(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    config = transformers.BertConfig(**sizes, intermediate_size=16, num_labels=2)
    return transformers.BertForSequenceClassification(config)

def make(steps=1, drawn_by_it=False):
    args = transformers.TrainingArguments(
        output_dir="out", use_cpu=True, report_to=[], per_device_train_batch_size=8,
        gradient_accumulation_steps=steps)
    own = {"model_init": model} if drawn_by_it else {"model": model()}
    return transformers.Trainer(args=args, train_dataset=Numbers(), **own)
"""

WORDS = ("model=transformers", "model._target_=hf_own.make", "trust=[hf_own]")
SHORT = ("range.num_steps=6", "range.repeats=1")


def test_on_the_command_line(lrfind, own):
    own("hf_own", MODULE)
    ran = lrfind(*WORDS, *SHORT, "range.metric=accuracy")
    assert ran.code in (0, 3), ran.err
    assert 0 <= float(ran.rows[0]["accuracy"]) <= 1


@pytest.mark.parametrize("drawn", ["true", "false"])
def test_each_seed_draws_weights_and_dropout_of_its_own(lrfind, own, drawn):
    """Though a Trainer sets the random streams when it is made, and model_init draws with that seed."""
    own("hf_own", MODULE)
    first = [
        lrfind(*WORDS, *SHORT, f"+model.drawn_by_it={drawn}", f"seed={seed}", folder=f"{i}").rows[0]["loss"]
        for i, seed in enumerate([0, 1, 1])
    ]
    assert first[0] != first[1] == first[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("+model.steps=4",), "accumulation_steps=1: hf_own.make trains with 4; type accumulation_steps=4"),
        (("precision=bf16",), "precision=bf16: hf_own.make trains with fp32; type precision=fp32"),
        (("model._target_=hf_own.model",), "BertForSequenceClassification is no Trainer of transformers"),
    ],
)
def test_what_the_config_says_otherwise_is_refused(lrfind, own, words, message):
    own("hf_own", MODULE)
    ran = lrfind(*WORDS, *words)
    assert ran.code == 2
    assert message in ran.err
