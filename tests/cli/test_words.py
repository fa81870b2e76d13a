"""What a stranger types: each word that cannot be taken is told with what to type instead."""

import re
from pathlib import Path

import pytest

from lrfind.cli.commands import COMMANDS, keys_of_command
from lrfind.cli.main import main
from lrfind.cli.overrides import HYDRA_FLAGS, ordered
from lrfind.cli.unknown import _WORDS, nearest_keys
from lrfind.config.reference import GROUPS, keys_of_groups

GRAMMAR = re.compile(r"usage:|token|mismatched|no viable|extraneous|LEXER|expecting|EQUAL|<EOF>")
"""Words of Hydra's parsers, which no user has seen a grammar of."""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("optimizer=[adam,sgd]", "write optimizer=adam, -m optimizer=adam,sgd makes a run of each, and"),
        ("model=[mlp]", "model is one of its options, not a list of them: write model=mlp."),
        ("model=[a", "'model=[a' lacks a ]."),
        ("+model=cnn", "model is there already, write model=cnn without the plus sign."),
        ("hydra.run.dir=", "hydra.run.dir is empty: give a path, hydra.run.dir=PATH, or leave it out."),
        ("compare compare.resume=''", "compare.resume is empty: give a path"),
        ("hydra.run.dir=null", "hydra.run.dir cannot be set to 'null': field 'hydra.run.dir'"),
        ("hydra.run.dir=${nowhere}", "hydra.run.dir: Interpolation key 'nowhere' not found."),
        ("range.num_stéps=3", "'range.num_stéps=3' is no override: 'range.num_stéps' is no key."),
        ("experiment=null", "experiment takes no null: leave the word out, or give one of its options"),
        ("--config-name absent", "--config-name absent: there is no absent.yaml in the folder"),
        ("--arund 0.7", "--arund is no flag of lrfind. Did you mean --around?"),
        ("--batch_size 32", "--batch_size is no flag: keys are set without dashes, write batch_size=32."),
        ("--batch-size=32", "write batch_size=32."),
        ("refine --batch_size", "write batch_size=VALUE."),
        ("--weight_decay 1e-4", "write optimizer.weight_decay=1e-4."),
        ("--num-steps 5", "write range.num_steps=5."),
        ("-x", "-x is no flag of lrfind."),
        ("--jsn", "Did you mean --json?"),
        ("--cfg foo", "--cfg takes one of job, hydra, all, got 'foo'."),
        ("model=cnn --config-name", "--config-name needs a word behind it: --config-name config."),
        ("--config=3", "may be short for --config-path, --config-name, --config-dir: write one of them out."),
        ("--config-dir /nowhere --config-name x", "--config-dir: there is no folder /nowhere."),
        ("lr=0.1", "lr is no key of lrfind range. Did you mean optimizer.lr?"),
        ("learning_rate=0.1", "Did you mean optimizer.lr?"),
        ("optimizer.learning_rate=0.1", "Did you mean optimizer.lr?"),
        ("model.num_classes=10", "is no key of lrfind range. Did you mean model.num_outputs?"),
        ("model=resnet18 model.pretrained=true", "Did you mean model.weights?"),
        ("model.pretrained=true", "Did you mean model.weights? It is a key of model=resnet18 or resnet50 or"),
        ("model.layers=3", "Did you mean model.hidden_sizes?"),
        ("data.path=photos", "Did you mean data.root? It is a key of data=cifar10 or dogbreed or"),
        ("data=/photos", "Pictures in a folder: data=imagefolder data.root=/photos."),
        ("dataset=mnist", "Did you mean data?"),
        ("data.batch_size=32", "Did you mean batch_size?"),
        ("data.colate_fn=x", "Did you mean data.collate_fn? (lrfind range --help shows its keys, --cfg"),
        ("min_lr=1e-5", "Did you mean range.start_lr?"),
        ("range.max_lr=1", "Did you mean range.end_lr?"),
        ("range.steps=100", "Did you mean range.num_steps?"),
        ("iterations=100", "Did you mean range.num_steps?"),
        ("epochs=5", "Did you mean range.horizon?"),
        ("--epochs 5", "Did you mean range.horizon='5 epochs'?"),
        ("verify epochs=5", "Did you mean verify.steps or range.horizon?"),
        ("optimizer.name=Adam", "Did you mean optimizer=adam?"),
        ("optimizer.name=lion", "Did you mean optimizer=NAME, one of adagrad, adam, adamw,"),
        ("optimizer=Adam", "Did you mean adam?"),
        ("optimizer=adamW", "Did you mean adamw?"),
        ("optimizer=SGD", "Did you mean sgd?"),
        ("model=resnet", "Did you mean resnet50 or resnet18?"),
        ("model=mine.Net", "is named by model=custom model._target_=mine.Net 'trust=[mine]'."),
        ("optimizer=torch.optim.Adam", "optimizer=custom optimizer._target_=torch.optim.Adam."),
        ("model=vit", "Others by their name there: model=torchvision model.name=NAME,"),
        ("model=null", "model=null: model cannot be left out, give one of its options, model=NAME."),
        ("schedule --lr 0.1", "type lrfind verify --lr 0.1; of schedule it is schedule.lr=0.1."),
        ("loss=mse", "Did you mean criterion?"),
        ("gpu=0", "Did you mean device?"),
        ("device=gpu", "device must be auto, cpu, cuda, cuda:N or mps, got 'gpu'."),
        ("amp=true", "Did you mean precision?"),
        ("--output out", "Did you mean hydra.run.dir=out?"),
        ("config=mine.yaml", "Did you mean --config-dir?"),
        ("resnet50", "Did you mean lrfind model=resnet50?"),
        ("train", "Did you mean lrfind range?"),
        ("verify lr=0.1", "Did you mean verify.lr or optimizer.lr?"),
        ("range.start_lr=1e-5,", "'range.start_lr=1e-5,' ends with a comma: write range.start_lr=1e-5."),
        ("batch_size = 32", "A key and its value are one word: batch_size=VALUE, without spaces."),
        ("verify verify.steps=3 epochs", "written in quotes: 'verify.steps=3 epochs'."),
        ("batch_size= 32", "'32' is no override: write KEY=VALUE"),
        ("refine 0.7", "the equals sign. To search about a rate: lrfind refine --around 0.7."),
        ("range.horizon=1,000", "has a comma: thousands stand without one, range.horizon=1000; a list"),
        ("range.horizon=1.000", "a whole number has no point, write range.horizon=1000 or range.horizon=1."),
        ("range.num_steps=1.000.000", "write range.num_steps=1000000 or range.num_steps=1."),
        ("range.end_lr=1,0", "range.end_lr=1,0 has a comma: a number has a point, range.end_lr=1.0; a list"),
        ("verify --lr 0,1", "a number has a point, verify.lr=0.1; a list"),
        ("verify 0.1 verify.around=0.2", "verify 0.1 is short for verify.around=0.1, and verify."),
        ("verify verify.lr=1 --lr 0.1", "--lr 0.1 is short for verify.lr=0.1, and verify.lr=1 is given"),
        ("schedule --try ++schedule.try=false", "and ++schedule.try=false is given, too: leave out one of"),
        ("verify 0,1", "0,1 has a comma: write the rate with a point, lrfind verify 0.1."),
        ("compare compare.lrs=0.1,0.3", "a list stands in brackets and quotes, 'compare.lrs=[0.1,0.3]'"),
        ("compare compare.lrs=[0.1, 0.2]", "'compare.lrs=[0.1,' lacks a ]."),
        ("trust=[mine", "'trust=[mine' lacks a ]."),
        ("trust=mine", "got 'mine'. Write trust=[mine]."),
        ("compare compare.lrs=0.1", "Write compare.lrs=[0.1]."),
        ("model.init=a(b", "'model.init=a(b' lacks a )."),
        ("model.init='a", "has a quote that is not closed."),
        ("model.init=é", "'model.init=\"é\"'"),
        ("model=cnn refine", "the command comes first: type lrfind refine"),
        ("help", "type lrfind --help."),
        ("0.7", "To check a rate: lrfind verify 0.7. To search about it: lrfind refine --around 0.7."),
        ("model.name=resnet18", "It is a key of model=resnet18 or resnet50 or"),
        ("optimizer=adam optimizer.momentum=1", "with optimizer=adam. It is a key of optimizer=momentum or"),
        ("model=resnet18 model.nam=x", "Did you mean model.name?"),
        ("model=torchvision model.name=resent18", "nearest: model.name=resnet18"),
        ("refine range.num_steps=5", "It is a key of lrfind range, verify, compare, schedule."),
        ("range.rule=center", "got 'center'. Did you mean centre?"),
        ("range.metric=acc", "Did you mean accuracy?"),
        ("criterion=bce", "Did you mean bce_with_logits?"),
        ("+seed=3", "seed is there already: write seed=VALUE without the plus sign."),
        ("~seed", "seed is missing: give it as seed=VALUE."),
        ("~seed=5", "~seed=5: seed is 0. ~seed takes it out whatever it is."),
        ("~batch_size", "~batch_size: batch_size is null, so there is nothing to take out; batch_size=VALUE"),
        ("optimizer.lr=abc", "optimizer.lr must be a finite number of at least 0, got 'abc'."),
        ("optimizer.momentum=nan", "optimizer.momentum must be a number of at least 0 and below 1, got nan."),
        ("optimizer.lr=nan", "optimizer.lr must be a finite number of at least 0, got nan."),
        ("model=custom model._target_=nn.Linear", "Did you mean torch.nn.Linear?"),
        ("data=custom", "give it as data._target_=PACKAGE.NAME, with 'trust=[PACKAGE]' for code of yours."),
        ("data=imagefolder", "data.root is required: give it as data.root=FOLDER."),
        ("experiment=textbook_refine", "this is the config of lrfind refine, and the command is range"),
    ],
)  # fmt: skip
def test_what_to_type_instead_is_told(capfd, tmp_path, monkeypatch, line, said):
    monkeypatch.chdir(tmp_path)
    code = main(line.split(" "))
    out, err = capfd.readouterr()
    assert code == 2, err
    assert out == ""
    assert said in err
    assert err.startswith("lrfind: error: ")
    assert not GRAMMAR.search(err), err
    assert "Traceback" not in err


def test_hydras_flags_still_work_cut_short_and_with_their_value(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["-cjob"], ["--cfg=job", "--resol"]):
        assert main(words) == 0
        assert "batch_size: null" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("data.root=~/x", "data.root={home}/x"),
        ("data.root=~", "data.root={home}"),
        ("+model.folder=~/x", "+model.folder={home}/x"),
        ("data.root=~/a,~/b", "data.root={home}/a,{home}/b"),
        ("+data.roots=[~/a,x~/b]", "+data.roots=[{home}/a,x~/b]"),
        ("hydra.run.dir=~/runs/${now:%Y}", "hydra.run.dir={home}/runs/${now:%Y}"),
        ("--config-dir=~/conf", "--config-dir={home}/conf"),
        ("~data.timeout", "~data.timeout"),
        ("data.root=/tmp/Bücher (1)", "data.root='/tmp/Bücher (1)'"),
        ("verify.from=it's", "verify.from='it\\'s'"),
        ("data.root='/tmp/(1)'", "data.root='/tmp/(1)'"),
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
    ],
)
def test_paths_are_read_as_they_are_meant(monkeypatch, tmp_path, word, read):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read.replace("{home}", str(tmp_path)) in ordered([word])


def test_data_weights_and_runs_are_found_from_the_home_directory(lrfind, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for words, key in (
        (["data=imagefolder", "data.root=~/a b"], "data.root"),
        (["model=resnet18", "data.channels=3", "model.weights=~/a b"], "model.weights"),
        (["verify", "verify.from=~/a b"], "verify.from"),
        (["refine", "refine.resume=~/a b"], "refine.resume"),
    ):
        ran = lrfind(*words)
        assert ran.code == 2
        assert f"{key}={tmp_path}/a b" in ran.err


def test_results_go_where_the_home_directory_is(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["-q", "hydra.run.dir=~/runs", "range.num_steps=30"]) in (0, 3)
    assert (tmp_path / "runs" / "range.json").is_file()
    assert not Path("~").exists()


def test_a_group_cannot_be_chosen_on_top_of_a_saved_config_and_what_can_be_done_is_said(lrfind, tmp_path):
    assert lrfind("-q", "range.num_steps=30", folder="first").code in (0, 3)
    rerun = ["--config-dir", str(tmp_path / "first" / ".hydra"), "--config-name", "config"]
    for word in ("optimizer=adam", "experiment=gugger_mnist"):
        ran = lrfind(*rerun, word, folder="second")
        assert ran.code == 2
        group = word.partition("=")[0]
        assert f"{group} cannot be chosen on top of a config that spells it out" in ran.err
        assert "overrides.yaml" in ran.err


def test_the_config_of_another_command_names_the_command_to_type(lrfind, capfd, tmp_path):
    assert lrfind("verify", "0.1", "verify.num_steps=2", "verify.seeds=1", folder="first").code in (0, 3)
    rerun = ["--config-dir", str(tmp_path / "first" / ".hydra"), "--config-name", "config"]
    ran = lrfind(*rerun, folder="second")
    assert ran.code == 2
    assert f"type lrfind verify --config-dir {tmp_path}/first/.hydra --config-name config" in ran.err
    ran = lrfind("refine", *rerun, folder="third")
    assert ran.code == 2
    assert "this is the config of lrfind verify, and the command is refine" in ran.err
    assert lrfind("verify", *rerun, folder="fourth").code in (0, 3)


def test_the_nearest_keys_are_those_beside_it_before_others():
    known = ["model", "model.name", "range.num_steps", "verify.num_steps", "optimizer.lr", "seed"]
    assert nearest_keys("lr", known) == ["optimizer.lr"]
    assert nearest_keys("range.num_step", known) == ["range.num_steps"]
    assert nearest_keys("num_steps", known) == ["range.num_steps", "verify.num_steps"]
    assert nearest_keys("sed", known) == ["seed"]
    assert nearest_keys("zzzz", known) == []


def test_what_other_programs_call_a_key_names_one_of_ours():
    keys = {*GROUPS, *keys_of_groups(), "hydra.run.dir", *HYDRA_FLAGS}
    keys |= {key.name for command in COMMANDS for key in keys_of_command(command)}
    for ours in _WORDS:
        assert any(key == ours or key.endswith(f".{ours}") for key in keys), ours
