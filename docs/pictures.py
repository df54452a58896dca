"""Takes the pictures in docs/pictures: real commands in a real terminal (tmux), drawn as SVG.

Run it with the project's environment: `.venv/bin/python docs/pictures.py [NAME …]`. It needs tmux.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent / "pictures"
BIN = Path(sys.executable).parent
TMUX = ["tmux", "-L", "pictures", "-f", os.devnull]
COLUMNS, ROWS = 88, 30
# No fonts from elsewhere: a picture shows the same wherever it is.
FRAME = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g>
</svg>
"""


@dataclass(frozen=True)
class Scene:
    """What is typed, and when the picture is taken: at its end, or as soon as `moment` is on the screen."""

    name: str
    typed: tuple[str, ...]
    moment: str | None = None
    emulator: tuple[str, ...] = ()


SCENES = (
    Scene("complete", ('completions complete -p local "The capital of France is" -M 24 -t 0',)),
    Scene("stream", ('completions stream -p local "Once upon a time" -M 48 --seed 3',)),
    Scene(
        "error",
        (
            "completions complete hi -x user=me --extra-parameters error",
            "completions complete -p forge hi",
        ),
    ),
    Scene(
        "batch",
        ("completions batch rows.jsonl -o answers.jsonl -M 64",),
        moment=r" 6\d%",
        emulator=("--latency", "0.2", "--fault", "502:0.01"),
    ),
    Scene(
        "summary",
        ("completions batch few.jsonl -o few-answers.jsonl -M 64 --price-in 0.5 --price-out 1.5",),
        emulator=("--fault", "502:0.02", "--fault", "400-filter:0.005"),
    ),
    Scene("config", ("completions config list", "completions config doctor --probe")),
    Scene("emulator", ("completions emulator --rpm 60 --fault 503:0.05 --port 8765",), moment="127.0.0.1:8765"),
)


def take(scene: Scene, folder: Path) -> str:
    """Play a scene and give the screen at its moment, colours included."""
    with emulator(*scene.emulator) as url, terminal(folder, url):
        for line in scene.typed:
            tmux("send-keys", "-l", line)
            tmux("send-keys", "Enter")
            wait_for(scene.moment or r"\$$", after=line)
        return tmux("capture-pane", "-e", "-p")


@contextmanager
def emulator(*options: str) -> Iterator[str]:
    """Run an emulator."""
    command = [str(BIN / "completions"), "emulator", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def terminal(folder: Path, url: str) -> Iterator[None]:
    """Open a terminal in the folder, with a profile for that endpoint."""
    (folder / "completions.toml").write_text(f'[profiles.foundry]\nendpoint = "{url}"\n', encoding="utf-8")
    kept = ("HOME", "XDG_DATA_HOME", "LANG")
    environ = {name: os.environ[name] for name in kept if name in os.environ} | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PS1": "$ ",
        "COMPLETIONS_CONFIG": "completions.toml",
        "COMPLETIONS_PROFILE": "foundry",
        "COMPLETIONS_API_KEY": "any",
        "COLORTERM": "truecolor",
    }
    pairs = [f"{name}={value}" for name, value in environ.items()]
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    tmux("new-session", "-d", *size, "-c", str(folder), "env", "-i", "TERM=tmux-256color", *pairs, "bash", "--norc")
    try:
        wait_for(r"\$$", after="")
        yield
    finally:
        tmux("kill-server")


def tmux(*words: str) -> str:
    """Have tmux do something."""
    return subprocess.run([*TMUX, *words], check=True, capture_output=True, text=True).stdout


def wait_for(pattern: str, after: str, seconds: float = 120) -> None:
    """Wait until the pattern is on the screen behind what was typed."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        screen = tmux("capture-pane", "-p").rstrip()
        line = screen.replace("\n", "")
        if after in line and re.search(pattern, line[line.find(after) + len(after) :]):
            return
        time.sleep(0.02)
    sys.exit(f"{pattern!r} did not come:\n{screen}")


def draw(screen: str) -> str:
    """Draw a screen as SVG, without the empty rows and the last prompt."""
    rows = screen.rstrip("\n").split("\n")
    while rows and re.sub(r"\x1b\[[\d;]*m", "", rows[-1]).strip() in ("", "$"):
        rows.pop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi("\n".join(rows)), no_wrap=True, crop=True)
    return console.export_svg(title="", code_format=FRAME, unique_id="t")


def main() -> None:
    """Take the pictures named, or all."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = "".join(f'"Once upon a time there were {number} stories"\n' for number in range(12_000))
        (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
        (folder / "few.jsonl").write_text("".join(rows.splitlines(keepends=True)[:2000]), encoding="utf-8")
        for scene in SCENES:
            if scene.name in sys.argv[1:] or not sys.argv[1:]:
                (FOLDER / f"{scene.name}.svg").write_text(draw(take(scene, folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
