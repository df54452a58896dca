"""Plays batches against the servers of `limiter_bank.py` and prints what of each limit is used.

`--half tuned` and `--half held-out` play the halves, `--against REVISION` the controller of another commit beside it,
`--trace NAME` one cell by the second. `--page FILE` writes the page of the cells that miss a target, with reasons.

Columns: `used` is what was taken after the warm-up, as a share of what an all-knowing client would have got through,
`refused` the share of requests refused in that time, `fair` Jain's index over several clients.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import limiter_bank
import pacing_page
from limiter_bank import Cell
from pacing_run import Figures, Run

REPOSITORY = Path(__file__).parent.parent
PACING = ("completions_cli/pacing", "completions_cli/batch/pacing")  # where the controller is, and was


def play(name: str) -> Figures:
    """Play the cell of a name."""
    return Run(next(cell for cell in limiter_bank.bank() if cell.name == name)).play()


def played(cells: list[Cell], processes: int | None) -> dict[str, Figures]:
    """Play cells, on all cores or in so many processes."""
    with ProcessPoolExecutor(processes) as pool:
        names = [cell.name for cell in cells]
        return dict(zip(names, pool.map(play, names, chunksize=4), strict=True))


def of_revision(revision: str, half: str, processes: int | None) -> dict[str, Figures]:
    """Play the same cells with the controller of another commit; all else is of this one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(REPOSITORY / "completions_cli", folder / "completions_cli")
        shutil.rmtree(folder / "completions_cli" / "pacing")
        listed = ["git", "-C", str(REPOSITORY), "ls-tree", "--name-only", revision, *PACING]
        room = subprocess.run(listed, stdout=subprocess.PIPE, check=True, text=True).stdout.split()[0]
        archive = ["git", "-C", str(REPOSITORY), "archive", f"{revision}:{room}", "--prefix=completions_cli/pacing/"]
        files = subprocess.run(archive, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", name], input=files, check=True)
        for file in (folder / "completions_cli" / "pacing").glob("*.py"):
            file.write_text(
                file.read_text(encoding="utf-8").replace("completions_cli.batch.pacing", "completions_cli.pacing")
            )
        command = [sys.executable, __file__, "--json", "--half", half]
        command += ["--processes", str(processes)] if processes else []
        env = {**os.environ, "PYTHONPATH": name}
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    return {name: Figures(*values) for name, values in json.loads(done.stdout).items()}


def chosen(half: str) -> list[Cell]:
    """Return the cells of a half, or all."""
    cells = limiter_bank.bank()
    tuned, held_out = limiter_bank.halves(cells)
    return {"tuned": tuned, "held-out": held_out, "all": cells}[half]


def table(cells: list[Cell], found: dict[str, Figures], before: dict[str, Figures] | None, *, failed: bool) -> None:
    """Print the figures of each cell, and how many meet the targets."""
    print(f"{'cell':58} {'used':>6} {'refused':>8} {'fair':>5}" + (f" {'before':>8} {'refused':>8}" if before else ""))
    for cell in sorted(cells, key=lambda each: each.name):
        each = found[cell.name]
        if failed and each.meets(cell):
            continue
        mark = " " if each.meets(cell) else "*"
        old = f" {before[cell.name].used:8.1%} {before[cell.name].refused:8.1%}" if before else ""
        print(f"{mark} {cell.name:56} {each.used:6.1%} {each.refused:8.1%} {each.fair:5.2f}{old}")
    for word, figures in (("now", found), ("before", before)):
        if figures:
            good = sum(figures[cell.name].meets(cell) for cell in cells)
            mean = sum(min(1.0, figures[cell.name].used) for cell in cells) / len(cells)
            print(f"{word}: {good} of {len(cells)} cells meet the targets; {mean:.1%} used on average")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--half", choices=("tuned", "held-out", "all"), default="all")
    parser.add_argument("--against", metavar="REVISION", help="the controller of another commit beside it")
    parser.add_argument("--failed", action="store_true", help="only cells that miss a target")
    parser.add_argument("--trace", metavar="NAME", help="print the seconds of one cell")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--page", metavar="FILE", type=Path, help="write the cells that miss a target, with reasons")
    parser.add_argument("--processes", metavar="N", type=int, help="instead of one for each core")
    options = parser.parse_args()
    if options.trace:
        trace(options.trace)
        return
    cells = chosen(options.half)
    found = played(cells, options.processes)
    if options.json:
        print(json.dumps({name: (each.used, each.refused, each.fair) for name, each in found.items()}))
        return
    before = of_revision(options.against, options.half, options.processes) if options.against else None
    table(cells, found, before, failed=options.failed)
    if options.page:
        options.page.write_text(pacing_page.page(cells, found, before), encoding="utf-8")


def trace(name: str) -> None:
    """Print the seconds of one cell."""
    run = Run(next(cell for cell in limiter_bank.bank() if cell.name == name), trace=True)
    print(run.play(), f"warm after {run.cell.warm:g} s")
    for second, seen in sorted((run.seconds or {}).items()):
        print(second, dict(seen))


if __name__ == "__main__":
    main()
