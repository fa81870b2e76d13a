"""Imports run one way: commands -> report, tasks, config -> core."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lrfind"
NUMBERS_ONLY = (
    "ladder",
    "curve",
    "smoothing",
    "line",
    "noise",
    "suggest",
    "verdict",
    "segments",
    "rounds",
    "policies",
    "policy_parameters",
    "schedules",
    "schedule_code",
    "trials",
    "judgement",
    "judged",
    "centre",
    "rules",
    "repeats",
    "measured",
    "valley",
    "answer",
    "budget",
    "grid",
    "comparison",
    "scaling",
    "advice",
    "tried",
)
NEVER_IN = {
    "core": {"hydra", "omegaconf", "rich", "matplotlib", "lrfind.config", "lrfind.tasks", "lrfind.report"},
    "config": {"torch", "torchvision", "matplotlib", "rich", "lrfind.tasks", "lrfind.report"},
    "tasks": {"matplotlib", "rich", "lrfind.report"},
    "report": {"torch", "torchvision", "hydra", "omegaconf", "lrfind.tasks", "lrfind.config"},
}
EVERYWHERE_BUT_ABOVE = {
    "lrfind.commands",
    "lrfind.launch",
    "lrfind.cli",
    "lrfind.api",
    "lrfind.api_refine",
    "lrfind.api_objects",
    "lrfind.api_result",
    "lrfind.api_sweep",
    "lrfind.policies",
}


def imported(path: Path) -> set[str]:
    """Every module a file imports at any depth, outside `if TYPE_CHECKING`."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node):
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_Import(self, node):
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node):
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)

    Visitor().visit(ast.parse(path.read_text()))
    return found


def offences(path: Path, forbidden: set[str]) -> set[str]:
    return {name for name in imported(path) if any(name == f or name.startswith(f"{f}.") for f in forbidden)}


FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0] in NEVER_IN], ids=str)
def test_layer_imports_only_what_lies_below_it(file):
    forbidden = NEVER_IN[file.parts[0]] | EVERYWHERE_BUT_ABOVE
    assert offences(PACKAGE / file, forbidden) == set()


@pytest.mark.parametrize("name", NUMBERS_ONLY)
def test_the_reading_of_a_curve_needs_no_torch(name):
    assert offences(PACKAGE / "core" / f"{name}.py", {"torch"}) == set()


def test_only_one_file_lets_a_config_call_code():
    users = {str(f) for f in FILES if offences(PACKAGE / f, {"hydra.utils"})}
    assert users == {"tasks/instantiate.py"}


def test_nothing_prints():
    printing = [
        f"{file}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse((PACKAGE / file).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []
