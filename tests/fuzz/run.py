"""Coverage-guided fuzzing of one target by hand, with atheris: see docs/testing.md."""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["completions_cli", "tomllib", "json"]):
    from tests.fuzz.targets import SEEDS, TARGETS


def main() -> None:
    """Run a target for a while on inputs grown from its seeds; a failing input is left in the working folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[typed.target]):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        words = [sys.argv[0], corpus, f"-max_total_time={typed.seconds}", "-max_len=4096", "-verbosity=1"]
        atheris.Setup([*words, "-print_final_stats=1"], TARGETS[typed.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
