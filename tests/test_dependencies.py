"""What an installation brings along: few packages, each under a licence that asks nothing of users, nothing run."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

TOP = Path(__file__).parent.parent
PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|MPL-2\.0|Mozilla Public License 2\.0|PSF|Python Software Foundation")
# Names no licence in its metadata; its LICENSE file is Apache-2.0.
READ_BY_HAND = {"pyreqwest"}


def installed(name: str, extras: tuple[str, ...] = ()) -> Iterator[str]:
    """Walk what a distribution requires, where it is installed; a marker decides by its extra alone."""
    try:
        required = distribution(name).requires or []
    except PackageNotFoundError:  # for another system
        return
    yield name
    for line in required:
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        found = re.match(r"[\w.-]+", line)
        if found and (extra is None or extra[1] in extras):
            yield from installed(re.sub(r"[-_.]+", "-", found[0]).lower())


def test_every_licence_is_a_permissive_one() -> None:
    for name in set(installed("completions-cli", ("local", "emulator", "entra", "ray"))) - READ_BY_HAND:
        about = distribution(name).metadata
        words = [word for name in ("License-Expression", "License", "Classifier") for word in about.get_all(name) or ()]
        licence = " ".join(word for word in words if not word.startswith("Programming"))
        assert PERMISSIVE.search(licence), name
        assert "GPL" not in licence, name


def test_a_plain_install_stays_small() -> None:
    assert len(set(installed("completions-cli"))) < 45


def test_every_dependency_has_its_reason() -> None:
    lines = (TOP / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    block = lines[lines.index("dependencies = [") + 1 :]
    block = block[: block.index("]")]
    for before, line in zip(["", *block], block, strict=False):
        if line.strip().startswith('"'):
            assert before.strip().startswith(("#", '"')), line
    assert block[0].strip().startswith("#")


def test_no_code_of_ours_runs_at_installation() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["build-system"]["requires"] == ["hatchling>=1.25"]
    assert "hooks" not in str(project["tool"]["hatch"])
    assert not (TOP / "setup.py").exists()
