"""What goes to which stream, and that it arrives there as it was meant."""

import io
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lrfind.errors import UserError
from lrfind.report import console
from lrfind.report import progress as progress_module
from lrfind.report.observers import Screen
from lrfind.report.table import Paragraph


class Terminal(io.StringIO):
    def isatty(self):
        return True


def a_terminal(monkeypatch, columns=60):
    """stderr and stdout become one terminal; called in the test, since pytest sets both before each phase."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", screen)
    return screen


def a_step(index, *, lr=1e-3, loss=2.0):
    return SimpleNamespace(index=index, lr=lr, loss=loss, smoothed=loss)


def test_messages_go_to_stderr_and_results_to_stdout(capsys):
    console.error("an error.")
    console.warn("a warning.")
    console.note("a note.")
    console.write("0.01\n")
    out, err = capsys.readouterr()
    assert out == "0.01\n"
    assert err == "lrfind: error: an error.\nlrfind: warning: a warning.\nlrfind: a note.\n"


HOSTILE = "a\x1b]0;gone\x07\x1b[2J b\x9b1m\nlrfind: error: forged\r\u202e.\tc\udc9b\x7f"
HARMLESS = r"a\x1b]0;gone\x07\x1b[2J b\x9b1m\nlrfind: error: forged\r\u202e." + "\tc" + r"\udc9b\x7f"


@pytest.mark.parametrize("write", [console.error, console.warn, console.note])
def test_what_steers_a_terminal_or_forges_a_line_is_spelled_out(capsys, write):
    write(HOSTILE)
    _, err = capsys.readouterr()
    assert err.endswith(f": {HARMLESS}\n")
    assert err.count("\n") == 1


def test_a_terminal_is_not_steered_either(monkeypatch):
    terminal = a_terminal(monkeypatch, columns=400)
    monkeypatch.setenv("NO_COLOR", "1")
    console.show([Paragraph(HOSTILE.replace("\t", " "))])
    assert terminal.getvalue().rstrip("\n") == HARMLESS.replace("\t", " ")


def test_several_faults_are_a_line_each_and_a_name_makes_none(capsys):
    console.error("one.", "two\nthree.")
    assert capsys.readouterr().err == "lrfind: error: one.\ntwo\\nthree.\n"
    assert str(UserError("one.", "two.")) == "one.\ntwo."
    assert pickle.loads(pickle.dumps(UserError("one.", "two."))).paragraphs == ("one.", "two.")


def test_a_traceback_keeps_its_lines_and_steers_nothing(capsys):
    try:
        raise ValueError("\x1b[2Jx")
    except ValueError as error:
        console.traceback_of(error)
    err = capsys.readouterr().err
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert err.endswith("ValueError: \\x1b[2Jx\n")


MARKUP = "[/foo] [bold]x[/bold] :smile: [link=a]"


def test_what_looks_like_markup_is_printed_as_it_is(monkeypatch):
    terminal = a_terminal(monkeypatch)
    console.error(MARKUP)
    assert MARKUP in terminal.getvalue()


def test_a_message_is_one_line_where_there_is_no_terminal(capsys):
    message = f"/{'a folder/' * 60}range.csv {MARKUP}"
    console.error(message)
    assert capsys.readouterr().err == f"lrfind: error: {message}\n"


def test_a_terminal_breaks_a_message_at_words_and_leaves_a_path_whole(monkeypatch):
    terminal = a_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    path = "/" + "long-folder/" * 8 + "range.csv"
    console.error(f"{path} cannot be written: there is no space left on the disk. Choose another folder.")
    lines = terminal.getvalue().splitlines()
    assert path in " ".join(lines)
    assert any(line.endswith(path) or line == path for line in lines)
    assert all(len(line) <= 60 for line in lines if path not in line)


def test_colours_obey_no_color(monkeypatch):
    terminal = a_terminal(monkeypatch)
    console.error("coloured.")
    assert "\x1b[1;31mlrfind: error: \x1b[0mcoloured." in terminal.getvalue()
    terminal.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    console.error("plain.")
    assert "[31m" not in terminal.getvalue()
    assert "plain." in terminal.getvalue()


def test_a_stream_that_knows_ascii_only_still_gets_the_result(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    console.write("10⁻³ of \udcff\n")
    assert raw.getvalue() == b"10\\u207b\\xb3 of \\udcff\n"


@pytest.mark.parametrize("gone", [None, "closed"])
def test_an_error_without_a_stderr_does_not_raise(monkeypatch, capsys, gone):
    stream = None if gone is None else io.StringIO()
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    console.error("no one reads this.")
    with Screen().steps(10) as on_step:
        on_step(a_step(0))
    assert capsys.readouterr().out == ""  # and stdout is no way out


def test_a_terminal_shows_the_words_of_every_paragraph_in_their_order(monkeypatch):
    terminal = a_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    paragraphs = [Paragraph("one " * 40, "bold"), Paragraph("two", "green", 1)]
    console.show(paragraphs)
    shown = terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert shown.split() == ["one"] * 40 + ["two"]


def test_where_there_is_no_terminal_a_quick_sweep_leaves_one_line(capsys):
    with Screen().steps(100) as on_step:
        for index in range(100):
            on_step(a_step(index))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lrfind: step 100 of 100, lr 0.001, smoothed loss 2, in ")
    assert err.count("\n") == 1


def test_where_there_is_no_terminal_a_slow_sweep_leaves_a_line_every_ten_seconds(capsys, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(progress_module, "perf_counter", lambda: float(next(clock)))
    with Screen().steps(100) as on_step:
        for index in range(50):
            on_step(a_step(index))
    lines = capsys.readouterr().err.splitlines()
    assert 4 <= len(lines) <= 6
    assert lines[0].endswith(" left")
    assert lines[-1].startswith("lrfind: step 50 of 100")


def test_a_sweep_without_a_step_leaves_no_line_and_an_error_passes_through(capsys):
    with pytest.raises(RuntimeError, match="broken"), Screen().steps(100):
        raise RuntimeError("broken")
    assert capsys.readouterr().err == ""


def test_the_time_left_of_a_sweep_that_begins_in_the_middle_is_that_of_its_own_steps(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_module, "perf_counter", lambda: now[0])
    with Screen().steps(100, lambda step: f"step {step.index + 1}") as on_step:
        for index in range(89, 95):
            now[0] += 20.0
            on_step(SimpleNamespace(index=index))
    said = capsys.readouterr().err
    assert "step 90, " not in said.replace("step 90\n", "")
    assert "step 95, 1 min 40 s left" in said


def test_a_terminal_shows_a_bar_with_step_rate_loss_and_time_left_and_takes_it_off(monkeypatch):
    terminal = a_terminal(monkeypatch, columns=100)
    monkeypatch.setattr(progress_module, "_BAR_SECONDS", 0.0)
    with Screen().steps(100) as on_step:
        for index in range(5, 9):
            on_step(a_step(index))
        on_step(a_step(11, lr=1.3e-5, loss=2.31))
    shown = terminal.getvalue()
    assert "step 12 of 100, lr 1.3e-5, smoothed loss 2.31, " in shown
    assert " left" in shown
    assert shown.endswith("\x1b[2K")


def test_a_dumb_terminal_is_none(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not progress_module.is_terminal(Terminal())


def test_without_a_terminal_rich_is_not_imported():
    code = (
        "import sys; from lrfind.report import console; from lrfind.report.observers import Screen\n"
        "console.error('x'); console.write('y');\n"
        "with Screen().steps(2): pass\n"
        "assert not {'rich', 'torch', 'numpy', 'matplotlib'} & set(sys.modules), sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("y", "lrfind: error: x\n")
