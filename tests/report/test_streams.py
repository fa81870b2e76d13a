"""stdout is for results: what others write there goes to stderr, however they write it."""

import subprocess
import sys

import pytest

OTHERS = {
    "print": "print('noise')",
    "stream kept from before": "kept.write('noise')",
    "descriptor": "os.write(1, b'noise')",
    "C": "ctypes.CDLL(None).printf(b'noise')",
    "child process": "subprocess.run([sys.executable, '-c', 'print(\\'noise\\')'], check=True)",
    "spawned worker": "p = multiprocessing.get_context('spawn').Process(target=print, args=('noise',)); "
    "p.start(); p.join()",
    "forked worker": "p = multiprocessing.get_context('fork').Process(target=print, args=('noise',)); "
    "p.start(); p.join()",
    "thread": "t = threading.Thread(target=print, args=('noise',)); t.start(); t.join()",
}


def python(code, *, shell=""):
    whole = (
        "import atexit, ctypes, multiprocessing, os, subprocess, sys, threading\n"
        "from lrfind.report import console, streams\n"
        "kept = sys.stdout\n"
        f"if __name__ == '__main__':\n{code}"
    )
    command = [sys.executable, "-c", whole]
    if shell:
        command = ["bash", "-c", f'exec "$0" "$@" {shell}', *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("noise", OTHERS.values(), ids=OTHERS)
def test_what_others_write_goes_to_stderr(noise):
    ran = python(
        "    with streams.stdout_kept_for_results():\n"
        f"        {noise}\n"
        "        console.write('0.1\\n')\n"
        f"        {noise}\n"
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "0.1\n"
    assert ran.stderr.count("noise") == 2


def test_stdout_is_as_it_was_afterwards():
    ran = python(
        "    print('before', end=' ')\n"
        "    with streams.stdout_kept_for_results(), streams.stdout_kept_for_results():\n"
        "        print('noise', end='')\n"
        "    print('after')\n"
    )
    assert (ran.stdout, ran.stderr) == ("before after\n", "noise")


def test_an_exception_gives_stdout_back():
    ran = python(
        "    try:\n"
        "        with streams.stdout_kept_for_results():\n"
        "            1 / 0\n"
        "    except ZeroDivisionError:\n"
        "        print('after')\n"
    )
    assert ran.stdout == "after\n"


def test_what_is_written_while_the_process_ends_goes_to_stderr():
    ran = python(
        "    atexit.register(print, 'noise')\n    console.write('0.1\\n')\n    streams.end_of_results()\n"
    )
    assert (ran.stdout, ran.stderr) == ("0.1\n", "noise\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_fault(closed, tmp_path):
    ran = python(
        "    with streams.stdout_kept_for_results():\n"
        "        print('noise')\n"
        "        console.write('0.1\\n')\n"
        f"    open({str(tmp_path / 'done')!r}, 'w').close()\n",
        shell=closed,
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "done").exists()
    assert ran.stdout == ("" if ">&-" in closed.split() else "0.1\n")


def test_a_stream_in_the_place_of_stdout_is_kept_as_well(capsys):
    from lrfind.report import console, streams

    with streams.stdout_kept_for_results():
        sys.stdout.write("noise\n")
        console.write("0.1\n")
    sys.stdout.write("after\n")
    out, err = capsys.readouterr()
    assert (out, err) == ("0.1\nafter\n", "noise\n")
