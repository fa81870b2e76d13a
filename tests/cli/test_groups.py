"""Groups of parameters on the command line: what is said of them, in every command that suggests a rate."""

import pytest

from tests.records import check_record

PARTS = """
import torch
class Net(torch.nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.body = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.head = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.n = n
    def forward(self, x): return 0.5 * (self.body ** 2 + self.head ** 2) + 0 * x.sum()
    def parameter_groups(self):
        if self.n == 1:
            return list(self.parameters())
        return [{"params": [self.body], "lr": 0.025, "name": "backbone"}, {"params": [self.head]}]
def data(): return torch.utils.data.TensorDataset(torch.zeros(40, 1, dtype=torch.float64))
"""
ON_PARTS = (
    "model=custom", "model._target_=parts.Net", "data=custom", "data._target_=parts.data", "trust=[parts]",
    "criterion=from_model", "batch_size=4", "optimizer=custom", "optimizer._target_=torch.optim.SGD",
    "+optimizer.lr=0.1",
)  # fmt: skip
SHORT = {
    "range": ["range.num_steps=40"],
    "refine": ["refine.rounds=1"],
    "verify": ["verify.steps=10", "verify.seeds=1", "range.num_steps=40"],
}


@pytest.mark.parametrize("command", list(SHORT))
def test_every_group_and_its_rate_stand_on_the_screen_and_in_the_record(lrfind, own, command):
    own("parts", PARTS)
    ran = lrfind(command, *ON_PARTS, *SHORT[command])
    assert ran.code == 0, ran.err
    check_record(ran.record)
    slow, fast = ran.record["groups"]
    rate = ran.record["suggestion"]["lr"]
    assert (slow["name"], fast["name"]) == ("backbone", "group 1")
    assert (slow["prefix"], fast["prefix"]) == ("body", "head")
    assert (slow["ratio"], fast["ratio"]) == (0.25, 1.0)
    assert slow["parameters"] == fast["parameters"] == 1
    assert fast["lr"] == rate
    assert slow["lr"] == pytest.approx(rate / 4, rel=1e-5)
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["group", "lr", "ratio", "parameters", "holds"] in lines
    told = next(line for line in lines if line[:1] == ["backbone"])
    assert float(told[1]) == pytest.approx(rate / 4, rel=1e-2)
    assert told[2:] == ["0.25", "1", "body"]


def test_one_group_is_not_spoken_of(lrfind, own):
    own("parts", PARTS)
    ran = lrfind(*ON_PARTS, "+model.n=1", *SHORT["range"])
    assert ran.code == 0, ran.err
    assert "groups" not in ran.record
    assert "ratio" not in ran.out


def test_without_a_suggestion_the_record_names_the_groups_and_no_rates(lrfind, own):
    own("parts", PARTS)
    ran = lrfind(*ON_PARTS, "range.start_lr=1e-9", "range.end_lr=1e-8")
    assert ran.code == 3, ran.err
    assert [group["lr"] for group in ran.record["groups"]] == [None, None]


@pytest.mark.picture
def test_each_group_is_swept_alone_and_quiet_is_the_highest_rate(lrfind, own, tmp_path):
    own("parts", PARTS)
    (tmp_path / "train.yaml").write_text("lr: 1.0\n")
    ran = lrfind(*ON_PARTS, "range.groups=each", "--write-config", "train.yaml:lr")
    assert ran.code == 0, ran.err
    check_record(ran.record)
    rates = [group["lr"] for group in ran.record["groups"]]
    assert ran.record["suggestion"]["lr"] == max(rates)
    assert float((tmp_path / "train.yaml").read_text().split()[1]) == max(rates)
    assert "the record has those of the other groups" in ran.err
    assert {row["group"] for row in ran.rows} == {"", "backbone", "group 1"}
    assert "backbone alone, while the others keep their rates" in ran.err
    assert (ran.folder / "range.png").stat().st_size > 10_000
    quiet = lrfind(*ON_PARTS, "range.groups=each", "-q", folder="quiet")
    assert (quiet.out, quiet.err) == (f"{max(rates)!r}\n", "")


def test_each_group_without_an_answer_exits_with_3(lrfind, own):
    own("parts", PARTS)
    ran = lrfind(*ON_PARTS, "range.groups=each", "range.start_lr=1e-9", "range.end_lr=1e-8")
    assert ran.code == 3, ran.err
    assert "All groups together show no rate" in ran.err
    assert ran.record["each"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["+model.n=1"], "range.groups=each needs several groups of parameters, and SGD has one here"),
        (["range.paired=false"], "range.paired=false does not go with range.groups=each"),
        (["range.single_batch=true"], "range.single_batch=true does not go with range.groups=each"),
        (["verify"], "range.groups=each answers a rate for each group of parameters, and here one rate"),
    ],
)
def test_what_does_not_go_with_each_group_is_refused(lrfind, own, words, message):
    own("parts", PARTS)
    ran = lrfind(*words, *ON_PARTS, "range.groups=each")
    assert ran.code == 2
    assert message in ran.err
