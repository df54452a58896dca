"""How many instructions a chunk of a stream takes, in a pipe and on a terminal: the same however busy the machine is.

valgrind counts them; two lengths of a stream, one taken off the other, leave out the start. The kernel's are not among
them: it has as much to do for the bare loop.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

import measure
from measure import Contender
from service import serving, stream
from stream import contenders

_VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")


def main() -> None:
    """Count for a long stream and a short one, and print the difference by chunk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=10_000)
    chunks = parser.parse_args().chunks
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed")
    with serving(stream(1)) as one, serving(stream(1 + chunks)) as many:
        # The last is the openai package, far off and slow to count.
        short, long = ({each.name: count(each) for each in contenders(url, one)[:-1]} for url in (one, many))
    base = (long["bare loop"] - short["bare loop"]) / chunks
    print("| instructions a chunk | | bare loop = 1 |\n|---|---:|---:|")
    for name in short:
        each = (long[name] - short[name]) / chunks
        print(f"| {name} | {each:,.0f} | {each / base:.2f} |")


def count(contender: Contender) -> int:
    """Run a command once under valgrind; give the instructions it took."""
    with tempfile.NamedTemporaryFile() as log:
        command = [*_VALGRIND, f"--log-file={log.name}", *contender.command]
        env = {**(contender.env or {}), "PYTHONHASHSEED": "0"}
        measure.run(Contender(contender.name, command, env, terminal=contender.terminal))
        found = re.search(r"I +refs: +([\d,]+)", Path(log.name).read_text(encoding="utf-8"))
    return int(found[1].replace(",", "")) if found else 0


if __name__ == "__main__":
    main()
