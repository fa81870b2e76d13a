"""Jobs on somebody else's engine: every result once, a killed job once more, and nothing left behind."""

import threading

import pytest

from lrfind.errors import ConfigError, UserError
from lrfind.execution.executors import work_through
from lrfind.execution.launcher import CELLS, Codec, chosen_launcher, launched_by
from lrfind.own_code import Frame
from tests.toy_launcher import Engine


def packed(result):
    return str(result).encode()


CODEC = Codec(packed, int)
FRAME = Frame("mine.py", 3, "forward")


class Double:
    """Work that counts how often it was unpacked and what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, job, say):
        self.asked.append(job)
        say("on its way")
        if job == "refuse":
            raise ConfigError("model: cannot be.", "Nor this.", frames=[FRAME])
        if job == "divide":
            return 1 / 0
        return job * 2


def done(engine, jobs, work=None):
    results = {}
    with launched_by(engine):
        work_through(
            work or Double(), jobs, processes=1, codec=CODEC, on_message=lambda *_: None,
            on_result=results.__setitem__,
        )  # fmt: skip
    return results


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "run" / CELLS


def test_every_result_comes_with_its_job_and_no_file_is_left(directory):
    assert done(Engine(directory), [1, 2, 3]) == {0: 2, 1: 4, 2: 6}
    assert not directory.exists()
    assert chosen_launcher() is None


def test_a_job_whose_process_is_killed_is_begun_once_again_and_no_other_is(directory):
    engine, work = Engine(directory, _1=1), Double()
    assert done(engine, [1, 2, 3], work) == {0: 2, 1: 4, 2: 6}
    assert engine.launched == [[0, 1, 2], [1, 2]]
    assert sorted(work.asked) == [1, 2, 3]


def test_one_that_is_killed_twice_is_told_and_how_to_go_on_with_what_is_finished(directory):
    results = {}
    with launched_by(Engine(directory, _1=2)), pytest.raises(
        UserError,
        match=r"^engine gave up; 1 of 2 runs .* though begun 2 times: OSError: a worker was killed\."
        r".* at a time\. 1 is kept\.$",
    ):  # fmt: skip
        work_through(
            Double(), [1, 2], processes=1, codec=CODEC, on_message=lambda *_: None,
            on_result=results.__setitem__, kept=lambda: f"{len(results)} is kept.",
        )  # fmt: skip
    assert results == {0: 2}
    assert not directory.exists()


def test_an_engine_that_cannot_be_reached_is_not_tried_twice(directory):
    class Nowhere(Engine):
        def launch(self, function, numbers):
            self.launched.append(numbers)
            raise ConnectionError("nobody listens")

    engine = Nowhere(directory)
    with pytest.raises(UserError, match=r"2 of 2 runs did not come to their end: ConnectionError: nobody"):
        done(engine, [1, 2])
    assert len(engine.launched) == 1


def test_a_message_to_the_user_is_passed_on_as_it_is(directory):
    with pytest.raises(ConfigError, match=r"^model: cannot be\.") as raised:
        done(Engine(directory), [1, "refuse"])
    assert raised.value.paragraphs == ("model: cannot be.", "Nor this.")
    assert raised.value.frames == (FRAME,)


def test_a_defect_keeps_its_traceback(directory):
    with pytest.raises(RuntimeError, match=r"(?s)in a worker process:.*1 / 0.*ZeroDivisionError"):
        done(Engine(directory), ["divide"])


def test_a_process_keeps_the_work_and_with_it_the_data_that_it_has_read(directory):
    import pickle

    class Pickling(Engine):
        def launch(self, function, numbers):
            for number in numbers:
                pickle.loads(pickle.dumps(function))(number)

    Counting.made = 0
    assert done(Pickling(directory), [1, 2, 3], Counting()) == {0: 1, 1: 1, 2: 1}


class Counting:
    """Answers how many copies of it have read something."""

    made = 0

    def __init__(self):
        self.read = False

    def __call__(self, job, say):
        if not self.read:
            self.read = True
            Counting.made += 1
        return Counting.made


def test_a_process_that_lives_on_does_the_next_set_of_jobs_by_its_own_work(directory):
    first, second = Double(), Double()
    assert done(Engine(directory), [1], first) == done(Engine(directory), [1], second) == {0: 2}
    assert (first.asked, second.asked) == ([1], [1])


def test_an_interrupt_stops_the_jobs_that_still_run(directory):
    running, ended = threading.Event(), []

    class Endless(Double):
        def __call__(self, job, say):
            running.set()
            while True:
                say("still here")

    class Elsewhere(Engine):
        def launch(self, function, numbers):
            thread = threading.Thread(target=lambda: ended.append(function(0)))
            thread.start()
            self.thread = thread
            running.wait(10)
            raise KeyboardInterrupt

    engine = Elsewhere(directory)
    with pytest.raises(KeyboardInterrupt):
        done(engine, [1, 2], Endless())
    engine.thread.join(10)
    assert ended == [None]


def test_what_the_taking_of_a_result_raises_arrives_where_the_jobs_were_asked_for(directory):
    def refuse(index, result):
        raise ZeroDivisionError("cannot be taken")

    with launched_by(Engine(directory)), pytest.raises(ZeroDivisionError, match="cannot be taken"):
        work_through(Double(), [1], processes=1, codec=CODEC, on_message=print, on_result=refuse)
