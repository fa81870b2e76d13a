"""LightningModules: the same curve as the bare loop, all put back, and what cannot be told in words."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test, verify
from lrfind.adapters.lightning import from_module
from lrfind.errors import DataError, ModelError, OptimizerError

lightning = pytest.importorskip("lightning", reason="not installed: pip install 'lrfind[lightning]'")

# lightning warns of its own and of torch's deprecations, when it is imported and when it runs.
pytestmark = pytest.mark.filterwarnings("ignore")

X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


def loader(shuffle=False):
    return DataLoader(TensorDataset(X, Y), batch_size=20, shuffle=shuffle)


class Net(lightning.LightningModule):
    def __init__(self, form="one"):
        super().__init__()
        self.form = form
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.log("loss", loss, prog_bar=True)
        self.log_dict({"again": loss})
        if self.form == "asks":
            return loss + 0.0 * (self.global_step + self.current_epoch + self.trainer.max_epochs)
        return {"loss": loss} if self.form == "dict of loss" else loss

    def configure_optimizers(self):
        one = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        warm = torch.optim.lr_scheduler.LambdaLR
        if self.form == "list":
            return [one]
        if self.form == "tuple":
            return [one], [warm(one, lambda step: step / 10)]
        if self.form == "dict":
            return {"optimizer": one, "lr_scheduler": {"scheduler": warm(one, lambda step: step / 10)}}
        if self.form == "steps":
            steps = self.trainer.estimated_stepping_batches
            return [{"optimizer": one, "lr_scheduler": torch.optim.lr_scheduler.OneCycleLR(one, 1.0, steps)}]
        if self.form == "several":
            return one, torch.optim.Adam(self.parameters())
        if self.form == "two lists":
            return [one, torch.optim.Adam(self.parameters())], []
        if self.form == "none":
            return None
        return 3 if self.form == "number" else one


class Data(lightning.LightningDataModule):
    def setup(self, stage):
        assert stage == "fit"
        self.devices = self.trainer.world_size
        self.samples = TensorDataset(X, Y)

    def train_dataloader(self):
        return DataLoader(self.samples, batch_size=20 * self.devices)


def bare(**options):
    """The same loop without Lightning."""
    torch.manual_seed(0)
    net = Net().net
    return range_test(
        net,
        torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        nn.CrossEntropyLoss(),
        loader(),
        **options,
    )


@pytest.mark.parametrize("form", ["one", "list", "tuple", "dict", "steps", "dict of loss", "asks"])
def test_the_curve_is_that_of_the_bare_loop_whatever_form_the_optimizer_comes_in(form):
    torch.manual_seed(1)
    expected = bare(num_steps=12, repeats=1)
    torch.manual_seed(0)
    module = Net(form)
    found = range_test(**from_module(module, Data()), num_steps=12, repeats=1)
    assert found.losses.tolist() == expected.losses.tolist()


def test_everything_is_put_back():
    module = Net("asks")
    before = {key: value.clone() for key, value in module.state_dict().items()}
    known = dict(vars(module))
    range_test(**from_module(module, Data()), num_steps=12, repeats=1)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert vars(module).keys() == known.keys()
    assert module._trainer is None
    with pytest.raises(RuntimeError, match="not attached"):
        _ = module.trainer
    assert module.log.__func__ is lightning.LightningModule.log


def test_a_trainer_that_is_there_stays_and_says_how_a_step_is_made():
    module = Net("asks")
    module.trainer = trainer = lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        accumulate_grad_batches=2,
        gradient_clip_val=0.5,
        precision="bf16-mixed",
        max_epochs=3,
    )
    given = from_module(module, loader())
    assert (given["accumulation_steps"], given["clip_grad_norm"], given["precision"]) == (2, 0.5, "bf16")
    range_test(**given, num_steps=5, repeats=1)
    assert module.trainer is trainer
    trainer.fit(module, loader())  # and it still trains


def test_a_trainer_without_data_is_not_asked_to_count_the_steps():
    module = Net("steps")
    module.trainer = trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=3
    )
    found = range_test(**from_module(module, Data()), num_steps=5, repeats=1)
    assert len(found.losses) == 5
    assert trainer.train_dataloader is None
    assert module.trainer is trainer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0, "gradient_clip_algorithm": "value"}, "clips gradients by value"),
        ({"precision": "64-true"}, "precision=64-true, and lrfind knows 32-true"),
    ],
)
def test_a_trainer_that_steps_otherwise_is_refused(options, message):
    module = Net()
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **options)
    module.trainer = trainer
    with pytest.raises(ModelError, match=message):
        from_module(module, loader())


def test_hooks_of_the_batch_are_called():
    class Scaled(Data):
        def on_after_batch_transfer(self, batch, dataloader_idx):
            assert self.trainer.training
            return batch[0] * 0, batch[1]

    module = Net()
    module.net = nn.Linear(4, 2, bias=False)
    given = from_module(module, Scaled())
    loss = given["forward"](module, next(iter(given["loader"])))
    assert loss.item() == pytest.approx(0.6931472)  # log 2, as nothing is left of the inputs


def test_the_modules_own_loader_is_taken_where_it_has_one():
    class Whole(Net):
        def train_dataloader(self):
            return loader()

    assert len(list(from_module(Whole())["loader"])) == 10
    with pytest.raises(DataError, match="Net has no train_dataloader: give it one, or pass datamodule="):
        from_module(Net())


def test_verify_takes_the_same_arguments():
    given = from_module(Net(), Data())
    checked = verify(**given, around=0.1, held_out=list(loader())[:2], steps=5, seeds=1)
    assert checked.verdict


def manual():
    module = Net()
    module.automatic_optimization = False
    return module


class Several(Data):
    def train_dataloader(self):
        return {"a": loader(), "b": loader()}


class ThreeArguments(Net):
    def training_step(self, batch, batch_idx, dataloader_idx):
        return None


class NoStep(lightning.LightningModule):
    pass


@pytest.mark.parametrize(
    ("module", "datamodule", "error", "message"),
    [
        (
            Net("several"),
            None,
            OptimizerError,
            r"returns 2 optimizers.*the list of them.*step=.*odd-loops",
        ),
        (Net("two lists"), None, OptimizerError, r"returns 2 optimizers.*step="),
        (Net("none"), None, OptimizerError, "must return an optimizer.*returned NoneType"),
        (Net("number"), None, OptimizerError, "must return an optimizer.*returned int"),
        (manual(), None, OptimizerError, r"automatic_optimization=False.*in Python: range_test.*step="),
        (nn.Linear(1, 1), None, ModelError, "Linear is no LightningModule"),
        (NoStep(), None, ModelError, "NoStep has no training_step"),
        (ThreeArguments(), None, ModelError, "takes more than a batch and its index"),
        (Net(), Several(), DataError, "returns several loaders"),
    ],
)
def test_what_cannot_be_is_refused_in_words(module, datamodule, error, message):
    with pytest.raises(error, match=message):
        from_module(module, datamodule)


def test_what_a_stand_in_for_the_trainer_lacks_is_told():
    class Asks(Net):
        def training_step(self, batch, batch_idx):
            return self.trainer.strategy.root_device

    with pytest.raises(ModelError, match=r"asks for self\.trainer\.strategy, and a range test runs without"):
        range_test(**from_module(Asks(), loader()), num_steps=5)


MODULE = """
import lightning, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Net(lightning.LightningModule):
    def __init__(self, width=8):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))
    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.log("loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)

class Data(lightning.LightningDataModule):
    def train_dataloader(self):
        x = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
        return DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=20)

class Whole(Net):
    def train_dataloader(self):
        return Data().train_dataloader()

class Zeros(Data):
    # Batches whose inputs are 0 at the end, if its hooks are called one after another.
    def on_before_batch_transfer(self, batch, dataloader_idx):
        return {"batch": batch}
    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        return [each.to(device) for each in batch["batch"]]
    def on_after_batch_transfer(self, batch, dataloader_idx):
        return (batch[0] * 0, batch[1]) if self.trainer.training else batch

class Linear(Net):
    # Whose own hook stands behind that of a data module, as Lightning has it.
    def __init__(self, width):
        super().__init__()
        self.net = nn.Linear(4, 2, bias=False)
    def on_after_batch_transfer(self, batch, dataloader_idx):
        raise RuntimeError("called all the same")

def linear(width):
    return nn.Linear(4, 2, bias=False)
"""

WORDS = ("model=lightning", "model._target_=pl_own.Net", "+model.width=16", "trust=[pl_own]")


@pytest.mark.parametrize(
    "words",
    [
        ("range", "data=lightning", "data._target_=pl_own.Data", "range.num_steps=12", "range.repeats=1"),
        ("range", "model._target_=pl_own.Whole", "data=from_model", "range.num_steps=12", "range.repeats=1"),
        (
            "verify",
            "data=lightning",
            "data._target_=pl_own.Data",
            "verify.lr=0.01",
            "verify.num_steps=4",
            "verify.seeds=2",
            "range.num_steps=5",
            "range.repeats=1",
        ),
        ("refine", "data=lightning", "data._target_=pl_own.Data", "refine.around=0.01"),
    ],
)
def test_on_the_command_line(lrfind, own, words):
    own("pl_own", MODULE)
    ran = lrfind(words[0], *WORDS, *words[1:])
    assert ran.code in (0, 3, 4), ran.err
    assert ran.record["config"]["model"]["adapter"] == "lightning"
    assert ran.record["config"]["optimizer"]["_target_"] == "lrfind.tasks.optimizers.from_model"


@pytest.mark.parametrize(
    "model",
    [
        ("model._target_=pl_own.Linear",),
        ("model=custom", "model._target_=pl_own.linear", "optimizer=sgd", "criterion=cross_entropy"),
    ],
    ids=["a module", "another model"],
)
def test_hooks_of_a_data_module_are_called_on_the_command_line(lrfind, own, model):
    own("pl_own", MODULE)
    words = (*WORDS, *model, "data=lightning", "data._target_=pl_own.Zeros", "range.num_steps=8")
    ran = lrfind(*words, "range.repeats=1", "range.paired=false")
    assert ran.code == 3, ran.err
    losses = [float(row["loss"]) for row in ran.rows]
    assert losses == pytest.approx([0.6931472] * 8)  # log 2, as nothing is left of the inputs
    ran = lrfind(*words, "range.repeats=1", "batch_size=40")
    assert ran.record["config"]["batch_size"] == 40
    assert [float(row["start_loss"]) for row in ran.rows] == pytest.approx([0.6931472] * 8)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("criterion=mse",), "criterion: model=lightning has a loss of its own"),
        (("compile=true",), "compile=true: the loss of model=lightning is not compiled"),
        (("data=lightning", "data._target_=pl_own.Net"), "Net has no train_dataloader"),
        (("data=lightning", "data._target_=torch.utils.data.TensorDataset"), "neither a LightningDataModule"),
        (("data=from_model",), "Net has no train_dataloader"),
        (("data=lightning", "data._target_=other.Data"), "not trusted"),
    ],
)
def test_what_cannot_be_ends_in_a_sentence(lrfind, own, words, message):
    own("pl_own", MODULE)
    ran = lrfind(*WORDS, *words)
    assert ran.code == 2
    assert message in ran.err


def test_the_optimizer_and_the_data_of_a_model_want_a_model_that_has_them(lrfind):
    ran = lrfind("optimizer=from_model")
    assert ran.code == 2
    assert "optimizer=from_model needs model=lightning or model=transformers" in ran.err
    ran = lrfind("data=from_model")
    assert ran.code == 2
    assert "data=from_model needs model=lightning or model=transformers" in ran.err
