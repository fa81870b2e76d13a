"""States and records that were damaged, or made to harm: exit code 2 in one sentence, or the same results."""

import copy
import io
import json
import random
import shutil

import numpy as np
import pytest

from lrfind.cli.main import main
from lrfind.report.state_file import arrays_as_bytes, arrays_of
from tests.processes import SMALL_COMPARE, SMALL_REFINE, Kill, Run

pytestmark = pytest.mark.usefixtures("pictures_drawn_alone")

SEEDS = 3
VALUES = [
    *(None, True, -1, 0, 1, 10**30, -(10**400), 0.5, float("nan"), float("inf"), "", "x", "1e999999999"),
    *([], {}, [[]], {"a": 1}, [None], "../../etc", "\x1b[31m"),
]


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """The state files of runs that were killed half way, by their command."""
    states = {}
    kills = {
        "refine": (SMALL_REFINE, Kill("lrfind.report.state_file", "StateFile.write", 20), "refine.state.npz"),
        "seeds": (
            [*SMALL_REFINE, "refine.seeds=2", "refine.strategy=stacked"],
            Kill("lrfind.report.state_file", "StateFile.write", 20),
            "refine.state.npz",
        ),
        "restarted": (
            [*SMALL_REFINE, "refine.seeds=3", "refine.restart=true"],
            Kill("lrfind.report.state_file", "StateFile.write", 3),
            "refine.state.npz",
        ),
        "compare": (
            SMALL_COMPARE,
            Kill("lrfind.report.state_file", "StateFile.write", 5),
            "compare.state.npz",
        ),
    }  # fmt: skip

    def of(name):
        if name not in states:
            words, kill, file = kills[name]
            cwd = tmp_path_factory.mktemp(name)
            Run([*words, "hydra.run.dir=run"], cwd, kill=kill).end()
            states[name] = (words, file, (cwd / "run" / file).read_bytes())
        return states[name]

    return of


def places(node, path=()):
    """Every place in a tree of plain values."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(tree, generator):
    """The tree with one place of it gone, or another."""
    tree = copy.deepcopy(tree)
    *path, key = generator.choice(list(places(tree)))
    node = tree
    for each in path:
        node = node[each]
    if generator.random() < 0.3:
        del node[key]
    elif generator.random() < 0.3 and isinstance(node[key], (int, float)):
        node[key] = node[key] * generator.choice([-1, 2, 1e3]) + generator.choice([0, 1])
    else:
        node[key] = copy.deepcopy(generator.choice(VALUES))
    return tree


def changed_arrays(arrays, generator):
    """Arrays, one of which is another; of JSON, or arrays again, what is in it is changed."""
    name = generator.choice(sorted(arrays))
    array = arrays[name]
    content = array.tobytes()
    if name == "tree":
        tree = json.loads(content)
        # What is told of a sweep; else what belongs to its training, too.
        only_told = generator.random() < 0.7
        tree = tree | {"about": changed(tree["about"], generator)} if only_told else changed(tree, generator)
        content = json.dumps(tree).encode()
    elif name in ("about", "config", "plan"):
        content = json.dumps(changed({"it": json.loads(content)}, generator).get("it")).encode()
    elif " " in name:
        content = arrays_as_bytes(changed_arrays(arrays_of(content), generator))
    else:
        kinds = (np.float32, np.float64, np.str_)
        others = [array[:0], array[None], -array.astype(float), *(array.astype(kind) for kind in kinds)]
        return arrays | {name: generator.choice(others)}
    return arrays | {name: np.frombuffer(content, dtype=np.uint8)}


def mutated(content, generator, *, checksum):
    """A state that says something else, with the checksum that belongs to it, or none as an old one."""
    arrays = arrays_of(content)
    if "tree" in arrays:
        arrays |= changed_arrays({"tree": arrays["tree"]}, generator)
    else:
        arrays = changed_arrays(arrays, generator)
    if checksum:
        return arrays_as_bytes(arrays)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def resumed(words, folder, tmp_path, capfd):
    command = words[0]
    shutil.rmtree(tmp_path / "again", ignore_errors=True)
    code = main([*words, f"{command}.resume={folder}", f"hydra.run.dir={tmp_path / 'again'}"])
    return code, capfd.readouterr().err


def refused_in_a_sentence(code, said):
    lines = [line for line in said.splitlines() if line.startswith("lrfind: error: ")]
    return code == 2 and len(lines) == 1 and "Traceback" not in said and "\x1b" not in said


@pytest.mark.parametrize("name", ["refine", "seeds", "restarted", "compare"])
@pytest.mark.parametrize(
    "seed", [*range(SEEDS), *(pytest.param(s, marks=pytest.mark.slow) for s in range(SEEDS, 60))]
)
def test_a_state_that_says_something_else_is_refused_or_goes_on(cut_off, tmp_path, capfd, name, seed):
    words, file, content = cut_off(name)
    generator = random.Random(f"{name} {seed}")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / file).write_bytes(mutated(content, generator, checksum=generator.random() < 0.7))
    code, said = resumed(words, tmp_path / "run", tmp_path, capfd)
    assert code in (0, 3) or refused_in_a_sentence(code, said), (code, said)


@pytest.mark.parametrize("name", ["refine", "compare"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 60))])
def test_a_flipped_bit_or_a_cut_is_refused_or_does_not_matter(cut_off, tmp_path, capfd, name, seed):
    words, file, content = cut_off(name)
    generator = random.Random(f"bits {name} {seed}")
    damaged = bytearray(content)
    for _ in range(generator.choice([1, 1, 8])):
        damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
    if generator.random() < 0.2:
        damaged = damaged[: generator.randrange(len(damaged))]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / file).write_bytes(damaged)
    code, said = resumed(words, tmp_path / "run", tmp_path, capfd)
    if code in (0, 3):
        again, whole = arrays_of(bytes(damaged)), arrays_of(content)
        assert repr(again) == repr(whole)
    else:
        assert refused_in_a_sentence(code, said), (code, said)


@pytest.mark.parametrize(
    "seed", [*range(20), *(pytest.param(s, marks=pytest.mark.slow) for s in range(20, 600))]
)
def test_a_record_that_says_something_else_is_refused_or_read(tmp_path, capfd, seed):
    record = {
        "schema_version": 1, "command": "range", "status": "completed", "verdict": "Healthy.",
        "suggestion": {"lr": 0.1, "low": 0.05, "high": 0.2, "rule": "centre", "reason": "Because."},
        "rules": {"centre": 0.1, "steepest": None},
        "config": {"model": {"_target_": "a.B"}, "data": {"name": "digits"}, "batch_size": 64,
                   "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1}},
    }  # fmt: skip
    generator = random.Random(seed)
    text = json.dumps(changed(record, generator))
    if generator.random() < 0.2:
        text = text[: generator.randrange(len(text))]
    path = tmp_path / "range.json"
    path.write_text(text)
    code = main(["schedule", "-q", f"schedule.from={path}", f"hydra.run.dir={tmp_path / 'run'}"])
    said = capfd.readouterr().err
    assert code == 0 or refused_in_a_sentence(code, said), (code, said)
