"""What is built and sent out: its contents, the same from the same source, and running where no checkout is."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from completions_cli import __version__
from tests.emulator_process import EmulatorProcess

TOP = Path(__file__).parent.parent
WHEEL, SDIST = f"completions_cli-{__version__}-py3-none-any.whl", f"completions_cli-{__version__}.tar.gz"


def build(folder: Path) -> Path:
    """Build both into a folder, as of a fixed time."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=TOP,
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


def test_the_wheel_holds_the_package_its_licence_and_nothing_else(built: Path) -> None:
    names = set(zipfile.ZipFile(built / WHEEL).namelist())
    about = f"completions_cli-{__version__}.dist-info"
    assert {
        "completions_cli/py.typed",
        "completions_cli/emulator/faults/answers.toml",
        f"{about}/licenses/LICENSE",
    } <= names
    shared = f"completions_cli-{__version__}.data"
    assert {name.partition("/")[0] for name in names} == {"completions_cli", about, shared}
    assert [name for name in names if name.startswith(shared)] == [f"{shared}/data/share/man/man1/completions.1"]
    assert not [name for name in names if name.endswith((".pyc", ".gguf"))]


def test_the_source_brings_its_tests_and_docs(built: Path) -> None:
    with tarfile.open(built / SDIST) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "CHANGELOG.md", "scripts/test", "tests/test_package.py"} <= names
    assert {f"docs/{page.name}" for page in (TOP / "docs").glob("*.md")} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "dist"))]


def test_building_twice_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    for name in (WHEEL, SDIST):
        first, second = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in (built, again))
        assert first == second, name


@pytest.fixture
def elsewhere(built: Path, tmp_path: Path) -> Path:
    """Install the wheel into an environment of its own, which borrows this one's dependencies; give its programs."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(built / WHEEL)], check=True)
    # The files that a .pth names may not name more: the checkout, installed here as editable, stays out of sight.
    site = next(place.rglob("site-packages"))
    borrowed = next(entry for entry in sys.path if entry.endswith("site-packages"))
    (site / "borrowed.pth").write_text(borrowed, encoding="utf-8")
    return programs


def test_it_runs_where_it_is_installed(
    elsewhere: Path, emulator: Callable[..., EmulatorProcess], tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path), "COMPLETIONS_ENDPOINT": emulator().url, "COMPLETIONS_API_KEY": "test-key-0123456789"}

    def output(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=env, check=True, capture_output=True, text=True)
        return done.stdout

    completions, python = str(elsewhere / "completions"), str(elsewhere / "python")
    assert output(completions, "--version") == f"completions {__version__}\n"
    assert output(python, "-m", "completions_cli", "--version") == f"completions {__version__}\n"
    assert str(elsewhere.parent) in output(python, "-c", "print(__import__('completions_cli').__file__)")
    assert output(completions, "complete", "Once", "--seed", "1").strip()


@pytest.mark.skipif(not shutil.which("man"), reason="no man here")
def test_man_shows_the_page_and_warns_of_nothing() -> None:
    words = ["/usr/bin/env", "man", "--warnings", "--local-file", str(TOP / "docs" / "man" / "completions.1")]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=env)
    assert not done.stderr
    assert "-M, --max-tokens N" in done.stdout
    assert "AZURE_INFERENCE_CREDENTIAL" in done.stdout
    assert "--fault KIND[:RATE]" in done.stdout
    assert "completions config key set -p team" in done.stdout
