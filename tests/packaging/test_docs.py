"""The documentation: it builds, its links lead somewhere, and the table of keys holds every key."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {ROOT / "docs" / "reference" / "keys.md"}


@pytest.fixture(scope="module")
def keys():
    """The page of keys, made by the script that the site calls."""
    spec = importlib.util.spec_from_file_location("docs_keys", ROOT / "scripts" / "docs_keys.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.page()


def dotted(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield prefix + key


@pytest.mark.parametrize("command", ["range", "refine", "verify", "compare", "schedule"])
def test_every_key_of_a_command_has_a_row_with_a_meaning(keys, command):
    settings = OmegaConf.to_container(OmegaConf.load(ROOT / "configs" / f"{command}.yaml"))[command]
    for key in dotted(settings, f"{command}."):
        (row,) = re.findall(rf"^\| `{re.escape(key)}` \|(.+)\|$", keys, re.MULTILINE)
        default, values, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", row))
        assert default
        assert values
        assert meaning.endswith((".", "`")), key


def test_every_shared_key_has_a_row(keys):
    shared = OmegaConf.to_container(OmegaConf.load(ROOT / "configs" / "base.yaml"))
    for key in shared.keys() - {"defaults", "hydra"}:
        assert f"| `{key}` |" in keys


def test_every_option_of_a_group_is_named(keys):
    for path in (ROOT / "configs").glob("*/*.yaml"):
        assert f"`{path.stem}`" in keys


@pytest.mark.parametrize("group", ["model", "data", "optimizer", "criterion", "experiment"])
def test_every_key_of_an_option_stands_below_its_name(keys, group):
    for path in (ROOT / "configs" / group).glob("*.yaml"):
        (text,) = re.findall(
            rf"^### {group}={path.stem}\n\n```yaml\n(.*?)```", keys, re.MULTILINE | re.DOTALL
        )
        assert OmegaConf.create(text) == OmegaConf.load(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    files = [page.parent / link.split("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert [str(file) for file in files if not file.exists() and file.resolve() not in GENERATED] == []


def test_the_readme_is_read_in_five_minutes():
    assert len((ROOT / "README.md").read_text().split()) < 1400


def test_the_site_builds(tmp_path):
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("mkdocs is not installed: pip install -e '.[docs]'")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(tmp_path / "site"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for page in ("index.html", "reference/keys/index.html", "reference/python/index.html"):
        assert (tmp_path / "site" / page).is_file()
