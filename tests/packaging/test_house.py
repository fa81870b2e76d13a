"""The rules of the house: which part of the package may import which, and what may load what."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lrfind"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
ROOMS = ("refine", "verify", "compare", "schedule")
ORDER = (
    ("collector", "errors", "interrupts", "own_code", "suggestion", "statistics", "version"),
    ("training", "config", "report", "plotting", "execution", "adapters"),
    ("tasks", "schedules"),
    ("range_test",),
    ROOMS,
    ("api", "cli", "multirun", "policies", "trackers", "web_page", "__init__", "__main__"),
)
"""From the ground up: a part imports what lies below it, never what stands beside or above it."""

NO_TORCH = (
    *("config", "results", "verdict", "report", "plot", "rules", "ladder", "segments", "rounds", "policies"),
    "judge",
)
"""Names of files that load no torch, in whichever room."""

ONLY_IN = {
    "matplotlib": ("plotting",),
    "rich": ("report",),
    "hydra": ("cli", "config", "tasks/instantiate.py", "trackers"),
    "omegaconf": ("cli", "config", "tasks/instantiate.py"),
}

OF_THE_RANGE_TEST = ("lrfind.range_test.run", "lrfind.range_test.config")
"""What a room may import of the range test: its run, and the settings that the room's own config holds; the
run imports torch, which no config may."""

OF_TORCH = {"_parameters"}
"""Private attributes of a torch module that a class of ours has, too."""

KERNEL = ("training", "execution")
"""Parts whose messages speak of arguments, never of keys."""

KEY = re.compile(
    r"\b(range|refine|verify|compare|schedule|data|model|optimizer|criterion|hydra)\.[a-z_]+"
    r"|=(true|false|null)\b|\b(criterion|device|model|data|optimizer)=[a-z]"
)
"""What can be typed on the command line alone."""


def module_of(file: Path) -> str:
    """The dotted name of a file of the package."""
    return ".".join(("lrfind", *file.with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(file) for file in FILES}
TREES = {file: ast.parse((PACKAGE / file).read_text()) for file in FILES}


@cache
def imported(file: Path, *, for_types: bool = False) -> set[str]:
    """Every module a file imports at any depth; what only the type checker reads where that is asked for."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node):
            if for_types or not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_Import(self, node):
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node):
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)

    Visitor().visit(TREES[file])
    return found


def part(file: Path) -> str:
    """The room or the single module at the top of the package that a file belongs to."""
    return file.parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next(number for number, parts in enumerate(ORDER) if name in parts)


def parts_imported(file: Path) -> set[str]:
    own = {name.split(".")[1] for name in imported(file) if name.startswith("lrfind.")}
    return {name for name in own if any(name in parts for parts in ORDER)} - {part(file), "version"}


def is_named(file: Path, places: tuple[str, ...]) -> bool:
    return any(str(file) == place or str(file).startswith(f"{place}/") for place in places)


def of_package(name: str, packages: tuple[str, ...]) -> bool:
    return name.split(".")[0] in packages


def of_each(files: Iterable[Path], wrong: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What is wrong with each of some files, by its name; those with which nothing is are left out."""
    return {str(file): found for file in files if (found := sorted(wrong(file)))}


def test_every_file_belongs_to_a_part_of_the_house():
    assert [file for file in FILES if not any(part(file) in parts for parts in ORDER)] == []


def test_imports_run_one_way():
    def wrong(file):
        return {name for name in parts_imported(file) if level(name) >= level(part(file))}

    assert of_each([file for file in FILES if part(file) not in ORDER[-1]], wrong) == {}


def test_a_room_imports_of_the_range_test_its_run_and_its_settings_alone():
    def wrong(file):
        names = {name for name in imported(file) if name.startswith("lrfind.range_test.")}
        return {name for name in names if not name.startswith(OF_THE_RANGE_TEST)}

    assert of_each([file for file in FILES if part(file) in ROOMS], wrong) == {}


def test_the_command_line_calls_the_rooms_and_none_calls_it():
    def wrong(file):
        return {name for name in imported(file) if name.startswith("lrfind.cli")}

    others = [file for file in FILES if part(file) != "cli" and file.name != "__main__.py"]
    assert of_each(others, wrong) == {}


def test_files_by_these_names_import_no_torch():
    def wrong(file):
        return {name for name in imported(file) if of_package(name, ("torch", "torchvision"))}

    assert of_each([file for file in FILES if file.stem in NO_TORCH], wrong) == {}


def test_files_by_these_names_load_no_torch_through_others_either():
    names = [module_of(file) for file in FILES if file.stem in NO_TORCH]
    code = (
        "import json, sys\nfrom importlib import import_module\n"
        f"for name in {names!r}:\n"
        "    import_module(name)\n"
        "    if 'torch' in sys.modules:\n        break\n"
        "else:\n    name = None\n"
        "print(json.dumps(name))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) is None


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_heavy_package_is_imported_in_its_place_alone(package):
    users = [f for f in FILES if any(of_package(name, (package,)) for name in imported(f))]
    assert [str(f) for f in users if not is_named(f, ONLY_IN[package])] == []


def test_behind_the_validation_no_one_sees_a_config_of_hydra():
    users = [f for f in FILES if any(of_package(n, ("omegaconf",)) for n in imported(f, for_types=True))]
    assert [str(f) for f in users if not is_named(f, ONLY_IN["omegaconf"])] == []


def test_only_one_file_lets_a_config_call_code():
    users = {str(f) for f in FILES if any(name.startswith("hydra.utils") for name in imported(f))}
    assert users == {"tasks/instantiate.py"}


def test_messages_of_the_kernel_name_no_key_of_the_command_line():
    def wrong(file):
        nodes = list(ast.walk(TREES[file]))
        docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
        texts = [
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
        ]
        return [text for text in texts if KEY.search(text)]

    assert of_each([file for file in FILES if part(file) in KERNEL], wrong) == {}


def test_no_private_name_is_imported():
    def wrong(file):
        names = {name for name in imported(file, for_types=True) if name.startswith("lrfind.")}
        return {name for name in names if re.search(r"\._(?!_)", name)}

    assert of_each(FILES, wrong) == {}


@cache
def private_attributes(file: Path, *, own: bool) -> set[str]:
    """Private attributes that a file reads or sets: of `self` and `cls`, or of anything else."""
    return {
        node.attr
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
        if own == (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def test_no_private_attribute_of_another_file_is_touched():
    ours = set().union(*(private_attributes(each, own=True) for each in FILES))

    def wrong(file):
        return (private_attributes(file, own=False) - private_attributes(file, own=True) - OF_TORCH) & ours

    assert of_each(FILES, wrong) == {}


def test_nothing_prints():
    printing = [
        f"{file}:{node.lineno}"
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_text_is_lost_behind_a_conditional():
    """A text on a line of its own is no part of the expression before it, unless brackets hold both."""
    lost = [
        f"{file}:{text.lineno}"
        for file, tree in TREES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.FunctionDef | ast.If | ast.For | ast.While | ast.With | ast.Try)
        for text in node.body[isinstance(node, ast.FunctionDef) :]
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.JoinedStr | ast.Constant)
        if not (isinstance(text.value, ast.Constant) and text.value.value is ...)
    ]
    assert lost == []


def test_no_import_goes_round_in_a_circle():
    """Among the imports made when a module is loaded; one inside a function may wait for the other side."""
    graph = {}
    for file, tree in TREES.items():
        names = {
            f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in MODULES else node.module
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        graph[module_of(file)] = {each for each in names if each in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for each in sorted(graph.get(name, ())):
                visit(each, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
