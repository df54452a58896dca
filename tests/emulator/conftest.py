"""Emulators shared by the tests of a module: starting one takes half a second."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.emulator_process import EmulatorProcess


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., EmulatorProcess]]:
    """Give the module's emulator with these arguments, started when it is first asked for."""
    folder = tmp_path_factory.mktemp("emulators")
    running: dict[tuple[str, ...], EmulatorProcess] = {}

    def get(*args: str) -> EmulatorProcess:
        if args not in running:
            running[args] = stack.enter_context(EmulatorProcess(*args, log=folder / f"{len(running)}.jsonl"))
        return running[args]

    with contextlib.ExitStack() as stack:
        yield get
    assert [server.stop() for server in running.values()] == [""] * len(running), "it complained on stderr"
