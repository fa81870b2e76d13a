"""Finished runs as a web page: what is in it, what it refuses, and that a browser shows, sorts and zooms."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import policies, range_test, try_policies
from lrfind.cli.main import main
from lrfind.errors import UserError
from lrfind.plotting.draw import draw
from lrfind.plotting.panel import Line
from lrfind.web_page.page import page
from lrfind.web_page.runs import newest_folder, runs_in
from tests.panels import of

CONFIG = {
    "model": {"_target_": "a.Net"},
    "data": {"name": "things", "_target_": "a.things"},
    "optimizer": {"_target_": "torch.optim.SGD"},
    "batch_size": 8,
    "range": {
        "start_lr": 0.001,
        "end_lr": 10.0,
        "num_steps": 5,
        "spacing": "geometric",
        "beta": 0.98,
        "paired": True,
        "skip_start": None,
        "skip_end": None,
    },
}
FOUND = {"lr": 0.1, "low": 0.05, "high": 0.2, "rule": "centre", "reason": "It is the middle."}


def a_run(folder, *, command="range", suggestion=FOUND, csv="", **more):
    folder.mkdir(parents=True)
    record = {
        "command": command,
        "status": "completed",
        "suggestion": suggestion,
        "rules": {"centre": 0.1, "gugger": None},
        "verdict": "Healthy <b>&</b> so on.",
        "steps": 3,
        "seconds": 1.5,
        "seed": 0,
        "config": CONFIG,
        **more,
    }
    (folder / f"{command}.json").write_text(json.dumps(record))
    (folder / ".hydra").mkdir()
    (folder / ".hydra/config.yaml").write_text("")
    if csv:
        (folder / f"{command}.csv").write_text(csv)
    return folder


RANGE = (
    "step,lr,loss,smoothed_loss\n"
    "0,0.001,2.5,2.5\n1,0.01,2.0,2.2\n2,0.1,1.5,2.0\n3,1.0,1.0,1.7\n4,10.0,inf,inf\n"
)


GROUPED = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    def parameter_groups(self):
        return [{"params": self[i].parameters(), "name": name} for i, name in ((1, "body"), (3, "head"))]
"""
GROUPS = ("model=custom", "model._target_=grouped.Net", "trust=[grouped]")


class Parts(HTMLParser):
    """The texts of the elements of a page by their tags, and all that a browser would load."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.links = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in self.open:
            self.texts.setdefault(tag, []).append(data)


def charts(text):
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    return [json.loads(each) for each in found]


def test_a_page_says_verdict_suggestion_rules_config_and_command(tmp_path):
    text = page(runs_in([a_run(tmp_path / "one", csv=RANGE, warnings=["3 < 4 pictures could be read"])]))
    parts = Parts(text)
    paragraphs = "".join(parts.texts["p"])
    assert "Suggested learning rate: 0.1 (bracket 0.05 to 0.2)" in paragraphs
    assert "Healthy <b>&</b> so on." in paragraphs
    assert "Warning: 3 < 4 pictures could be read" in paragraphs
    assert "none" in parts.texts["td"]
    assert f"lrfind range --config-dir {tmp_path}/one/.hydra --config-name config" in parts.texts["pre"]
    assert json.loads(next(each for each in parts.texts["pre"] if "batch_size" in each)) == CONFIG
    assert parts.texts["h2"] == ["Net on things, SGD, batch size 8"]
    assert parts.links == []  # with nothing to load, and no table of one
    assert "default-src 'none'" in text


def test_runs_from_python_say_what_was_trained_have_their_chart_and_no_command_that_would_repeat_them(
    tmp_path,
):
    torch.manual_seed(0)
    model = nn.Linear(6, 2)
    inputs = torch.randn(64, 6)
    loader = DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=16)
    given = (model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), loader)
    result = range_test(*given, repeats=1)
    schedules = [policies.schedule(name, lr=0.1, num_steps=4) for name in ("fixed", "cosine")]
    trial = try_policies(*given, [next(iter(loader))], schedules, seeds=1)
    for name, each in (("range", result), ("schedule", trial)):
        each.to_json(tmp_path / f"{name}.json")
        each.to_csv(tmp_path / f"{name}.csv")
    text = page([run for run in runs_in([tmp_path]) if run.record["command"] == "range"])
    assert Parts(text).texts["h2"] == ["Linear, SGD, batch size 16"]
    (chart,) = charts(text)
    assert [each["name"] for each in chart["series"]] == ["batch", "smoothed"]
    text = page(runs_in([tmp_path]))
    assert "To repeat it" not in text
    assert "No learning rate can be suggested" not in text
    assert "ended lowest" in text


def test_what_the_other_commands_compare_or_refine_by_is_said_in_words(tmp_path):
    run = a_run(tmp_path / "one", command="compare", rules={"accuracy": 0.1, "loss": None})
    assert "the most held-out samples right" in Parts(page(runs_in([run]))).texts["td"]


def test_where_runs_at_constant_rates_decided_the_table_of_rules_says_so(tmp_path):
    found = {**FOUND, "rule": "trials"}
    run = a_run(tmp_path / "one", suggestion=found, rules={"trials": 0.1, "centre": 0.3, "gugger": None})
    text = page(runs_in([run]))
    assert re.search(r"<tr class=chosen><td[^>]*>trials</td><td[^>]*>0.1</td><td[^>]*>training at", text)
    assert text.count("class=chosen") == 1
    assert "the middle of the valley (lrfind)" in text


def test_the_rule_of_a_longer_training_says_for_how_long_its_rate_is(tmp_path):
    horizon = {"extrapolated": True, "read": {"lr": 0.4, "low": 0.2, "high": 0.5, "steps": 300}}
    cells = Parts(page(runs_in([a_run(tmp_path / "one", horizon=horizon)]))).texts["td"]
    assert "centre, for 300 steps" in "".join(cells)
    short = {"extrapolated": False, "read": horizon["read"]}
    assert "for 300 steps" not in page(runs_in([a_run(tmp_path / "two", horizon=short)]))


def test_the_chart_has_what_was_measured_and_is_finite(tmp_path):
    (chart,) = charts(page(runs_in([a_run(tmp_path / "one", csv=RANGE)])))
    cloud, line = chart["series"]
    # Each at the rate whose effect it shows, and the line through a straight fall is that fall.
    assert cloud["points"] == [[0.001, 2.5], [0.001, 2.0], [0.01, 1.5], [0.1, 1.0]]
    assert line["points"] == [[0.001, pytest.approx(2)], [0.01, pytest.approx(1.5)], [0.1, pytest.approx(1)]]
    assert (cloud["joined"], line["joined"]) == (False, True)
    assert chart["mark"] == [0.05, 0.1, 0.2]
    assert chart["log"] is True


def test_the_chart_marks_where_runs_at_constant_rates_ended(tmp_path):
    runs = [{"steps": 100, "lr": 0.1, "loss": 1.4}, {"steps": 200, "lr": 0.1, "loss": 0.3},
            {"steps": 200, "lr": 1.0, "loss": None}]  # fmt: skip
    trials = {"steps": 200, "start_loss": 2.5, "runs": runs, "steps_taken": 450}
    (chart,) = charts(page(runs_in([a_run(tmp_path / "one", csv=RANGE, trials=trials)])))
    marks = {each["name"]: each["points"] for each in chart["series"] if each["marked"]}
    assert marks == {
        "after 100 steps at one rate": [[0.1, 1.4]],
        "after 200 steps at one rate": [[0.1, 0.3]],
    }


def test_a_task_is_named_by_its_momentum_and_by_all_that_is_compared(tmp_path):
    optimizer = CONFIG["optimizer"] | {"momentum": 0.9, "nesterov": True}
    compared = {"optimizers": ["sgd", "momentum", "adam"], "batch_sizes": [8, 64]}
    first = a_run(tmp_path / "first", config=CONFIG | {"optimizer": optimizer})
    second = a_run(tmp_path / "second", command="compare", config=CONFIG | {"compare": compared})
    assert [run.task for run in runs_in([first, second])] == [
        "Net on things, SGD (momentum 0.9, Nesterov), batch size 8",
        "Net on things, sgd, momentum and adam, batch sizes 8 and 64",
    ]


@pytest.mark.parametrize(
    ("command", "csv", "lines"),
    [
        (
            "refine",
            "round,segment,lr,iteration,loss\n1,1,0.1,1,2\n1,1,0.1,2,1\n1,1,0.2,1,3\n",
            {"round 1": [[0.1, 1.0], [0.2, 3.0]]},  # the second half, as in the picture of the run
        ),
        (
            "verify",
            "lr,seed,step,loss,held_out_loss\n0.1,0,0,2,2\n0.1,0,1,,1\n0.1,1,1,,3\n0.3,0,0,,0.1\n1,0,0,,inf\n",
            {"mean over the seeds": [[0.1, 2.0]]},  # of a rate that was given up no loss on the way
        ),
        (
            "compare",
            "batch_size,lr,seed,epoch,step,samples,loss\n8,0.1,0,1,1,8,2\n8,0.1,0,2,2,16,1\n8,0.1,1,2,2,16,3\n"
            "8,0.2,0,1,1,8,9\n8,0.3,1,2,2,16,1\n",
            {"batch size 8": [[0.1, 2.0]]},  # the others diverged, with one seed at least
        ),
        ("schedule", "policy,step,lr\nfixed,0,0.1\nfixed,1,0.1\n", {"fixed": [[0.0, 0.1], [1.0, 0.1]]}),
    ],
)
def test_every_command_has_a_chart_of_its_own(command, csv, lines, tmp_path):
    run = a_run(tmp_path / "one", command=command, csv=csv, judged_after={"steps": 1})
    (chart,) = charts(page(runs_in([run])))
    assert {each["name"]: each["points"] for each in chart["series"] if each["joined"]} == lines
    assert chart["log"] is (command != "schedule")


@pytest.mark.parametrize(
    "words",
    [
        ["range.num_steps=40", "range.repeats=1"],
        ["range.num_steps=30", "range.repeats=2", "range.metric=accuracy", "range.paired=false"],
        ["optimizer=adam", "batch_size=256", "range.start_lr=1e-6", "range.num_steps=20"],
        [*GROUPS, "range.num_steps=20", "range.groups=each"],
    ],
    ids=["one", "accuracy of two", "slower", "groups"],
)
def test_the_line_of_a_range_test_is_that_of_its_picture(lrfind, own, monkeypatch, words):
    own("grouped", GROUPED)
    pages = []

    def kept(page):
        pages.append(page)
        return draw(page)

    monkeypatch.setattr("lrfind.plotting.draw.draw", kept)
    ran = lrfind("-q", *words)
    assert ran.code in (0, 3), ran.err
    (chart,) = charts(page(runs_in([ran.folder])))
    lines = [each for each in chart["series"] if each["joined"]]
    panels = [each for each in pages[0].panels if each.x.label.startswith("learning rate")]
    assert len(lines) == len(panels) == (3 if "range.groups=each" in words else 1)
    for line, panel in zip(lines, panels, strict=True):
        (drawn,) = (each for each in of(panel, Line) if each.name.startswith("smoothed"))
        top = 21 * panel.y.limits[1] - 20 * panel.y.limits[0]  # a picture cuts what lies far above it
        found = [[lr, min(loss, top)] for lr, loss in line["points"]]
        np.testing.assert_allclose(found, np.column_stack([drawn.x, drawn.y]), rtol=1e-9)


@pytest.mark.parametrize("csv", ["", "step,lr\n0,0.1\n", "step,lr,loss,smoothed_loss\n0,abc,1,1\n"])
def test_without_numbers_the_page_has_no_chart(csv, tmp_path):
    text = page(runs_in([a_run(tmp_path / "one", csv=csv, suggestion=None)]))
    assert charts(text) == []
    assert "No learning rate can be suggested." in text


def test_several_runs_have_a_table_that_names_each(tmp_path):
    a_run(tmp_path / "b", csv=RANGE)
    a_run(tmp_path / "a" / "0", suggestion=None, shape="falls to the end")
    parts = Parts(page(runs_in([tmp_path])))
    assert sorted(link for link in parts.links) == ["#run0", "#run1"]
    assert "falls to the end" in parts.texts["td"]


def test_jobs_that_could_not_be_run_are_named_with_the_reason(tmp_path, capsys):
    a_run(tmp_path / "0", csv=RANGE)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "error.txt").write_text("model=resnet_50 is not known.")
    assert main(["report", str(tmp_path)]) == 0
    assert "1 run and 1 failure in a page" in capsys.readouterr().err
    cells = Parts((tmp_path / "report.html").read_text()).texts["td"]
    assert str(tmp_path / "1") in cells
    assert "model=resnet_50 is not known." in cells


def test_a_config_cannot_end_the_script_that_holds_the_numbers(tmp_path):
    hostile = "</script><script>alert(1)</script>"
    csv = f"policy,step,lr\n{hostile},0,0.1\n"
    run = a_run(tmp_path / "one", command="schedule", csv=csv, config={**CONFIG, "evil": hostile})
    text = page(runs_in([run]))
    assert hostile not in text
    assert charts(text)[0]["series"][0]["name"] == hostile


def test_the_command_writes_the_page_beside_the_run_and_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "outputs" / "one", csv=RANGE)
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "outputs/one/report.html\n"
    assert main(["report", "outputs", "outputs/one", "--output", "all.html"]) == 0
    assert capsys.readouterr().out == "all.html\n"
    assert "lrfind range" in (tmp_path / "all.html").read_text()  # the run once, though it was named twice


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "no finished run is in there"),
        (["broken"], "cannot be read as a record"),
        (["--wide"], "knows no --wide"),
        (["good", "hydra.run.dir=good"], "lrfind report good is the page of the runs in good, and --output"),
        (["model=cnn"], "takes folders and no overrides such as model=cnn: lrfind report DIR"),
        (["--output"], "wants the path of a file"),
        ([], "no run is below outputs"),
        (["good", "--output", "nowhere/x/y.html"], "another folder (on the command line: --output FILE)."),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_paragraph(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    a_run(tmp_path / "good")
    a_run(tmp_path / "broken")
    (tmp_path / "broken" / "range.json").write_text("{")
    assert main(["report", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_the_newest_run_is_taken(tmp_path, monkeypatch):
    import os

    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("new", "old")):
        os.utime(a_run(tmp_path / "outputs" / name) / "range.json", (1e9 - age, 1e9 - age))
    assert newest_folder().name == "new"
    with pytest.raises(UserError, match="is no folder"):
        runs_in([tmp_path / "nowhere"])


ACTIONS = """
<script>
const told = {};
const svg = document.querySelector("svg");
const line = () => svg.querySelector(".line").getAttribute("d");
told.lines = svg.querySelectorAll(".line").length;
told.suggestion = svg.querySelectorAll(".suggestion").length;
const box = svg.getBoundingClientRect(), whole = line();
const middle = {bubbles: true, cancelable: true};
middle.clientX = box.left + box.width / 2;
middle.clientY = box.top + box.height / 2;
svg.dispatchEvent(new PointerEvent("pointermove", middle));
told.hover = svg.querySelector(".pointer text").textContent;
svg.dispatchEvent(new WheelEvent("wheel", {...middle, deltaY: -200}));
told.closer = line() !== whole;
svg.dispatchEvent(new MouseEvent("dblclick", middle));
told.again = line() === whole;
const rows = () => [...document.querySelectorAll("#overview tbody tr")];
const names = () => rows().map((row) => row.cells[4].textContent);
const many = [...document.querySelectorAll("svg")].pop().querySelectorAll(".line");
told.colours = new Set([...many].map((each) => each.getAttribute("stroke"))).size;
const head = document.querySelectorAll("#overview th")[4];
head.querySelector("button").click();
told.rising = names();
head.querySelector("button").click();
told.falling = names();
document.title = JSON.stringify(told);
</script>
"""


def test_a_browser_shows_the_curve_zooms_and_sorts(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")
    runs = tmp_path / "runs"
    for name, lr in (("a", 0.1), ("b", 0.02), ("c", None)):
        found = None if lr is None else {**FOUND, "lr": lr}
        if lr is None:  # more lines than there are colours in the list
            csv = "policy,step,lr\n" + "".join(f"p{i},{step},0.{i}\n" for i in range(12) for step in (0, 1))
            a_run(runs / name, command="schedule", csv=csv, suggestion=found)
        else:
            a_run(runs / name, csv=RANGE, suggestion=found)
    file = tmp_path / "page.html"
    file.write_text(page(runs_in([runs])).replace("</body>", f"{ACTIONS}</body>"), "utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(re.search(r"<title>(.*?)</title>", done.stdout)[1].replace("&quot;", '"'))
    assert (told["lines"], told["suggestion"]) == (1, 1)
    assert told["hover"].startswith(("smoothed: learning rate ", "batch: learning rate "))
    assert told["closer"]
    assert told["again"]
    assert told["colours"] == 12
    assert told["rising"] == ["0.02", "0.1", "none"]
    assert told["falling"] == ["0.1", "0.02", "none"]
