"""`data.collate_fn`, and data sets of Hugging Face."""

import pytest
import torch

MODULE = """
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

def sample(index):
    length = 3 + index % 4
    generator = torch.Generator().manual_seed(index)
    return {"x": torch.randn(length, generator=generator), "label": index % 2}

class Ragged(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return sample(index)

class Stream(IterableDataset):
    def __iter__(self):
        return map(sample, range(64))

def padded(samples):
    rows = [nn.functional.pad(each["x"], (0, 6 - len(each["x"]))) for each in samples]
    return torch.stack(rows), torch.tensor([each["label"] for each in samples])

def broken(samples):
    return [each["y"] for each in samples]

class Padded:
    def __init__(self, width):
        self.width = width
    def __call__(self, samples):
        return padded(samples)

class OwnArgument(Ragged):
    def __init__(self, collate_fn):
        assert collate_fn == "mine"
    def __getitem__(self, index):
        return torch.zeros(6), index % 2

def tensors():
    return TensorDataset(torch.randn(64, 6), torch.arange(64) % 2)

def net():
    return nn.Linear(6, 2)

number = 3
"""

WORDS = ("model=custom", "model._target_=rag.net", "data=custom", "trust=[rag]", "batch_size=8")
SHORT = ("range.num_steps=6", "range.repeats=1")


@pytest.mark.parametrize("dataset", ["Ragged", "Stream"])
@pytest.mark.parametrize(
    "collate",
    [
        ("data.collate_fn=rag.padded",),
        ("data.collate_fn._target_=rag.Padded", "+data.collate_fn.width=6"),
        ("data.collate_fn._target_=rag.padded", "+data.collate_fn._partial_=true"),
    ],
)
def test_samples_are_put_together_as_the_user_says(lrfind, own, dataset, collate):
    own("rag", MODULE)
    ran = lrfind(*WORDS, f"data._target_=rag.{dataset}", *collate, *SHORT, "range.validation.samples=8")
    assert ran.code in (0, 3), ran.err
    assert len(ran.rows) > 1


def test_refine_reads_its_fixed_samples_so_too(lrfind, own):
    own("rag", MODULE)
    words = ("refine.read=subset", "refine.subset=16", "refine.around=0.1")
    ran = lrfind("refine", *WORDS, "data._target_=rag.Ragged", "data.collate_fn=rag.padded", *words)
    assert ran.code in (0, 3), ran.err


def test_an_argument_of_the_users_own_of_that_name_stays_his(lrfind, own):
    own("rag", MODULE)
    ran = lrfind(*WORDS, "data._target_=rag.OwnArgument", "data.collate_fn=mine", *SHORT)
    assert ran.code in (0, 3), ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data._target_=rag.Ragged",), "Give data.collate_fn a function"),
        (("data._target_=rag.Stream", "num_workers=1"), "Give data.collate_fn a function"),
        (
            ("data._target_=rag.Ragged", "data.collate_fn=rag.broken"),
            "data.collate_fn raised KeyError: 'y' (rag",
        ),
        (
            ("data._target_=rag.Ragged", "data.collate_fn=os.system"),
            "data.collate_fn=os.system is not trusted",
        ),
        (
            ("data._target_=rag.Ragged", "data.collate_fn=rag.paded"),
            "data.collate_fn=rag.paded leads nowhere",
        ),
        (("data._target_=rag.Ragged", "data.collate_fn=3"), "must be the dotted name of a function"),
        (("data._target_=rag.Ragged", "data.collate_fn._target_=rag.tensors"), "must make a function"),
        (("data._target_=rag.tensors", "data.collate_fn=rag.padded"), "leave it out"),
    ],
)
def test_what_cannot_be_ends_in_a_sentence(lrfind, own, words, message):
    own("rag", MODULE)
    ran = lrfind(*WORDS, *words)
    assert ran.code == 2
    assert message in ran.err


HUGGING_FACE = """
import datasets, torch
from torch import nn

def lists():
    rows = {"x": [[0.5 * i] * 4 for i in range(64)], "label": [i % 2 for i in range(64)]}
    return datasets.Dataset.from_dict(rows)

def splits():
    return datasets.DatasetDict({"train": lists()})

def stream():
    return lists().to_iterable_dataset()

def tensors():
    return lists().with_format("torch")

def numbers():
    return datasets.Dataset.from_dict({"x": [0.5] * 64, "label": [0] * 64})

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)
    def forward(self, x, label):
        logits = self.net(x)
        return {"loss": nn.functional.cross_entropy(logits, label), "logits": logits}
"""


@pytest.fixture
def hugging_face(own):
    pytest.importorskip("datasets", reason="datasets is not installed")
    return own("hugs", HUGGING_FACE)


FROM_MODEL = (
    "model=custom",
    "model._target_=hugs.Net",
    "criterion=from_model",
    "trust=[hugs]",
    "data=custom",
)


@pytest.mark.filterwarnings("ignore")  # of datasets and what it imports
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lists", "gives column x as Python lists, of which torch makes no tensors"),
        ("lists", 'end the function that makes it with .with_format("torch"), or name a collator'),
        ("stream", "gives column x as Python lists"),
        ("splits", "DatasetDict holds several data sets (train): give one of them, such as dataset['train']"),
    ],
)
def test_a_data_set_of_lists_is_told_what_to_add(lrfind, hugging_face, name, message):
    ran = lrfind(*FROM_MODEL, f"data._target_=hugs.{name}")
    assert ran.code == 2
    assert message in ran.err


@pytest.mark.filterwarnings("ignore")
def test_with_format_it_trains_and_accuracy_is_read_from_its_logits(lrfind, hugging_face):
    ran = lrfind(*FROM_MODEL, "data._target_=hugs.tensors", "batch_size=8", *SHORT, "range.metric=accuracy")
    assert ran.code in (0, 3), ran.err
    assert 0 <= float(ran.rows[0]["accuracy"]) <= 1


@pytest.mark.filterwarnings("ignore")
def test_columns_of_plain_numbers_need_no_format(hugging_face):
    import datasets

    from lrfind.errors import DataError
    from lrfind.tasks.data.collate import require_tensors

    columns = {"x": [0.5], "text": ["a"], "label": [0]}
    require_tensors(datasets.Dataset.from_dict(columns))
    require_tensors(torch.utils.data.TensorDataset(torch.zeros(1)))
    with pytest.raises(DataError, match="gives column pixels as Python lists"):
        require_tensors(datasets.Dataset.from_dict(columns | {"pixels": [[0.5, 1.0]]}))
