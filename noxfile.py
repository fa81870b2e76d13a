"""Checks that a person runs by hand, each in an environment of its own: `nox -l` lists them.

`.ci/run` is what decides; these are its parts, and the tests on every supported Python.
"""

import nox

nox.options.sessions = ["lint", "types", "tests-3.11"]
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests; words after -- go to pytest, as in `nox -s tests-3.12 -- -m slow`."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and format."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the package, by mypy --strict."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, into site/; every broken link is an error."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """The cost of a step as a ratio against the bare loop; the other finders are installed for it."""
    session.install("-e", ".[bench]")
    session.run("python", "scripts/bench_step.py", *session.posargs)
