"""Every command in the README and in docs/ runs, and prints what its page says it prints.

A block marked `sh` is run as it stands, in a folder with the files that the pages speak of, against
emulators; a `text` block right behind it is what it prints. Blocks that need another machine, an account
or an installation are marked `shell` and only shown.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from completions_cli.settings import profile_file
from tests.emulator_process import EmulatorProcess
from tests.local_weights import DATA_HOME, weights_path
from tests.scripted_server import response, scripted

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WORKSHOP = Path(__file__).parent / "workshop"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
OTHER_TOOLS = ("curl", "git", "jq", "make")
# What differs from run to run.
VARYING = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8080"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b\d+(\.\d+)? (ms|s)\b", r"N \2"),
)
# A server runs until it is ended, which a page need not show: it has begun when its first line is there.
PRELUDE = """
completions() {
  case " $* " in
    *--list-faults*|*--help*) ;;
    " emulator "*)
      command completions "$@" --port 0 > served &
      until [ -s served ]; do sleep 0.05; done
      kill $!; wait $! || [ $? = 143 ]; return ;;
  esac
  command completions "$@"
}
"""


# Source files that the pages complete; they are no modules of ours, so they are not in the folder that ruff checks.
CODE = {
    "before.py": "def area(r):\n    return",
    "after.py": "\n\nprint(area(2))\n",
    "main.py": "\n".join(f"line_{number} = {number}" for number in range(1, 16)) + "\n",
}


@dataclass(frozen=True)
class Block:
    """A fenced block, and the one with its output if there is one."""

    where: str
    language: str
    text: str
    output: str | None


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            where = f"{page.stem}:{text[: match.start()].count(chr(10)) + 1}"
            found.append(Block(where, match[1], match[2], match[3]))
    return [block for block in found if block.language in languages]


def named(block: Block) -> str:
    return block.where


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give what stands on the pages for an address, and the emulator that takes its place."""
    logs = tmp_path_factory.mktemp("logs")
    with (
        EmulatorProcess("--seed", "1", log=logs / "reference.jsonl") as reference,
        EmulatorProcess("--seed", "1", "--behaviour", "managed", log=logs / "managed.jsonl") as managed,
        EmulatorProcess("--seed", "1", "--behaviour", "foundry", log=logs / "foundry.jsonl") as foundry,
        scripted() as another,
    ):
        another.play([response(b'{"choices": [{"index": 0, "text": " there", "finish_reason": "stop"}]}')])
        yield _addresses(reference, managed, foundry) | {"http://localhost:11434": another.url}


def _addresses(reference: EmulatorProcess, managed: EmulatorProcess, foundry: EmulatorProcess) -> dict[str, str]:
    return {
        "https://NAME.REGION.models.ai.azure.com": reference.url,
        "http://127.0.0.1:8080": reference.url,
        "https://NAME.REGION.inference.ml.azure.com": managed.url,
        "https://NAME.services.ai.azure.com": foundry.url,
        "https://NAME.openai.azure.com": foundry.url,
    }


@pytest.fixture
def workshop(tmp_path: Path, endpoints: dict[str, str]) -> Path:
    """Make the folder that the pages work in: their files, and a repository with a change."""
    folder = tmp_path / "workshop"
    folder.mkdir()
    for file in WORKSHOP.iterdir():
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(_placed(text, endpoints), encoding="utf-8")
    for name, text in CODE.items():
        (folder / name).write_text(text, encoding="utf-8")
    if not shutil.which("git"):
        return folder
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "Begin"], check=True)
    (folder / "prompt.txt").write_text("Once upon a time\nAnd then\n", encoding="utf-8")
    return folder


def environment(folder: Path, endpoints: dict[str, str]) -> dict[str, str]:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_DATA_HOME": str(DATA_HOME),
        "COMPLETIONS_CONFIG": str(folder / "completions.toml"),
        "COMPLETIONS_ENDPOINT": endpoints["https://NAME.REGION.models.ai.azure.com"],
        "COMPLETIONS_API_KEY": "any",
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "tests.auth.keyring_backends.FileKeyring",
        "KEYRING_FILE": str(home / "keyring.json"),
        "SECRET": "any",
        "EDITOR": "cp prompt.txt",
    }


def _placed(text: str, endpoints: dict[str, str]) -> str:
    for written, real in endpoints.items():
        text = text.replace(written, real)
    return text


def _levelled(text: str) -> str:
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return text.rstrip()


def run(block: Block, folder: Path, endpoints: dict[str, str]) -> subprocess.CompletedProcess[str]:
    missing = [tool for tool in OTHER_TOOLS if re.search(rf"\b{tool}\b", block.text) and not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {missing}")
    if "-p local" in block.text:
        weights_path()
    script = folder.parent / "script"
    prelude = "" if "kill " in block.text else PRELUDE
    script.write_text(prelude + _placed(block.text, endpoints), encoding="utf-8")
    shell = ["bash", "-u"] if block.output is not None else ["bash", "-eu", "-o", "pipefail"]
    return subprocess.run(
        [*shell, str(script)],
        cwd=folder,
        env=environment(folder, endpoints),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("block", blocks("sh"), ids=named)
def test_commands_run_as_they_stand(block: Block, workshop: Path, endpoints: dict[str, str]) -> None:
    done = run(block, workshop, endpoints)
    if block.output is None:
        assert done.returncode == 0, done.stdout
    else:
        assert _levelled(done.stdout) == _levelled(block.output)


@pytest.mark.parametrize("block", [block for block in blocks("toml") if "[profiles." in block.text], ids=named)
def test_profiles_are_read(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "completions.toml"
    path.write_text(block.text, encoding="utf-8")
    profile_file.read(path, must_exist=True)


def test_every_link_leads_somewhere() -> None:
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))
    ]
    assert not [f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()]


def test_every_page_is_linked_from_the_readme_and_the_index() -> None:
    readme, index = (page.read_text(encoding="utf-8") for page in (PAGES[0], ROOT / "docs" / "index.md"))
    assert not [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in readme]
    assert not [page.name for page in PAGES[1:] if page.name != "index.md" and f"]({page.name})" not in index]


TESTS = [block for block in blocks("python") if "def test_" in block.text]
SCRIPTS = [block for block in blocks("python") if "subprocess" in block.text and block not in TESTS]


@pytest.mark.parametrize("block", TESTS, ids=named)
def test_tests_pass(block: Block, workshop: Path, endpoints: dict[str, str]) -> None:
    (workshop / "test_program.py").write_text(block.text, encoding="utf-8")
    done = run(Block(block.where, "sh", "python3 -m pytest -q test_program.py\n", None), workshop, endpoints)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", SCRIPTS, ids=named)
def test_scripts_run(block: Block, workshop: Path, endpoints: dict[str, str]) -> None:
    script = Block(block.where, "sh", f"python3 - <<'END'\n{block.text}END\n", None)
    done = run(script, workshop, endpoints)
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip()


@pytest.mark.parametrize("block", blocks("make"), ids=named)
def test_make_asks_for_what_is_missing(block: Block, workshop: Path, endpoints: dict[str, str]) -> None:
    (workshop / "Makefile").write_text(block.text, encoding="utf-8")
    done = run(Block(block.where, "sh", "make -j2\n", None), workshop, endpoints)
    assert done.returncode == 0, done.stdout
    assert {path.name for path in workshop.glob("*.out")} == {"prompt.out", "prompts.out"}


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if "- run:" in block.text], ids=named)
def test_steps_of_a_workflow_run(block: Block, workshop: Path, endpoints: dict[str, str]) -> None:
    steps = re.findall(r"^ *- run: (?!pipx? )(.+)$", block.text, re.MULTILINE)
    done = run(Block(block.where, "sh", "\n".join(steps), None), workshop, endpoints)
    assert done.returncode == 0, done.stdout
