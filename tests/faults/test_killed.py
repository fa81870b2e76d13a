"""kill -9 at any moment, also around the deletion of the state: what was measured is there, or goes on."""

import contextlib
import random
import signal
import time

import pytest

from tests.processes import SMALL_COMPARE, SMALL_REFINE, Kill, Run, lrfind

COMMANDS = {"refine": SMALL_REFINE, "compare": SMALL_COMPARE}
STATES = {"refine": "refine.state.npz", "compare": "compare.state.npz"}

AROUND_THE_DELETION = [
    *(("refine", Kill("lrfind.report.output", "write_whole", call)) for call in (1, 2, 3)),
    ("refine", Kill("lrfind.report.state_file", "StateFile.remove")),
    ("refine", Kill("lrfind.report.state_file", "StateFile.remove", after=True)),
    *(("compare", Kill("lrfind.report.output", "write_whole", call)) for call in (1, 2, 3)),
    ("compare", Kill("lrfind.report.state_file", "StateFile.remove")),
    ("compare", Kill("lrfind.report.state_file", "StateFile.remove", after=True)),
]
SHORT = {("refine", "write_whole", 1), ("refine", "StateFile.remove", 1), ("compare", "write_whole", 1)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The table of a run that nobody ended, by command."""
    tables = {}

    def of(command):
        if command not in tables:
            cwd = tmp_path_factory.mktemp(command)
            code, run = lrfind([*COMMANDS[command], "hydra.run.dir=run"], cwd)
            assert code in (0, 3), run.said
            assert not (cwd / "run" / STATES[command]).exists()
            tables[command] = (cwd / "run" / f"{command}.csv").read_bytes()
        return tables[command]

    return of


def goes_on(command, cwd, folder="run"):
    """What the run that was killed comes to when it is resumed; or its own table where it was finished."""
    if not (cwd / folder / STATES[command]).exists():
        # Without a state there are all of the results, or the kill came before there was anything to save.
        return (cwd / folder / f"{command}.csv").read_bytes()
    code, run = lrfind([*COMMANDS[command], f"{command}.resume={folder}", "hydra.run.dir=again"], cwd)
    assert code in (0, 3), run.said
    assert sorted(path.suffix for path in (cwd / "again").glob(f"{command}.*")) == [".csv", ".json", ".png"]
    return (cwd / "again" / f"{command}.csv").read_bytes()


@pytest.mark.parametrize(
    ("command", "kill"),
    [
        pytest.param(
            command,
            kill,
            marks=[] if not kill.after and (command, kill.name, kill.call) in SHORT else pytest.mark.slow,
            id=f"{command}-{kill.name}-{kill.call}-{'after' if kill.after else 'before'}",
        )
        for command, kill in AROUND_THE_DELETION
    ],
)
def test_results_or_state_are_there_whenever_it_is_killed_at_its_end(tmp_path, whole, command, kill):
    assert Run([*COMMANDS[command], "hydra.run.dir=run"], tmp_path, kill=kill).end() == -signal.SIGKILL
    assert (tmp_path / "run" / STATES[command]).exists() is not kill.after
    assert goes_on(command, tmp_path) == whole(command)


def killed_at_random(command, cwd, moment):
    """Killed so long after it has begun to save."""
    run = Run([*COMMANDS[command], "hydra.run.dir=run"], cwd)
    run.until((cwd / "run" / STATES[command]).exists)
    time.sleep(moment)
    with contextlib.suppress(ProcessLookupError):  # on a quick machine it may have ended by itself
        run.send(signal.SIGKILL)
    return run.end()


@pytest.mark.parametrize(
    ("command", "seed"),
    [
        pytest.param(command, seed, marks=[] if seed == 0 else pytest.mark.slow)
        for command in COMMANDS
        for seed in range(20)
    ],
)
def test_a_run_that_is_killed_goes_on_to_the_same_table(tmp_path, whole, command, seed):
    moment = random.Random(f"{command} {seed}").uniform(0, 1.0)
    code = killed_at_random(command, tmp_path, moment)
    assert code in (-signal.SIGKILL, 0, 3)
    assert goes_on(command, tmp_path) == whole(command)


@pytest.mark.parametrize("command", ["refine", pytest.param("compare", marks=pytest.mark.slow)])
def test_a_disk_without_room_for_the_results_leaves_a_state_to_go_on_with(tmp_path, whole, command):
    """The picture does not fit; the state and the table do."""
    code, run = lrfind([*COMMANDS[command], "hydra.run.dir=run"], tmp_path, FILE_SIZE="40000")
    assert code == 2, run.said
    assert f"{command}.png cannot be written" in run.said
    assert "Traceback" not in run.said
    assert (tmp_path / "run" / STATES[command]).exists()
    assert not list((tmp_path / "run").glob("*.part"))
    assert goes_on(command, tmp_path) == whole(command)


def test_a_disk_without_room_for_the_state_stops_nothing(tmp_path, whole):
    words = [*COMMANDS["refine"], "model.hidden_sizes=[4]", "hydra.run.dir=run"]
    words.remove("-q")
    code, run = lrfind(words, tmp_path, FILE_SIZE="9000")
    assert run.said.count("The run goes on, and its state will be saved when that can be done.") == 1
    assert code == 2  # as the picture does not fit, either
    assert (tmp_path / "run/refine.csv").read_bytes() == whole("refine")
