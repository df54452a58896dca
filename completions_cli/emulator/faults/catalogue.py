"""All kinds of faults, by name."""

import difflib
import functools
from collections.abc import Mapping

from completions_cli.emulator.fault_spec import FaultSpec
from completions_cli.emulator.faults.answers import answers
from completions_cli.emulator.faults.bodies import bodies
from completions_cli.emulator.faults.documents import documents
from completions_cli.emulator.faults.kinds import Fault
from completions_cli.emulator.faults.logprobs import logprobs
from completions_cli.emulator.faults.packs import packs
from completions_cli.emulator.faults.streams import streams
from completions_cli.emulator.faults.wire import wires
from completions_cli.errors import UsageError


@functools.cache
def catalogue() -> Mapping[str, Fault]:
    """Return every fault by its kind, those that replace the answer first."""
    return {
        fault.kind: fault
        for faults in (answers, wires, bodies, packs, logprobs, documents, streams)
        for fault in faults()
    }


def found(spec: FaultSpec) -> Fault:
    """Look a fault up. Raises UsageError when there is none, or when it takes no value and one is given."""
    fault = catalogue().get(spec.kind)
    if not fault:
        near = difflib.get_close_matches(spec.kind, catalogue(), n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"there is no fault {spec.kind!r}", hint=f"{hint}`completions emulator --list-faults` shows every KIND."
        )
    if spec.value is not None and not fault.value_name:
        raise UsageError(f"the fault {spec.kind} takes no value", hint=f"Write --fault {spec.kind} or add :RATE.")
    return fault


def listing() -> list[str]:
    """Return a line for each fault: its KIND, what it does, and which VALUE it takes, if any."""
    faults = catalogue().values()
    width = max(len(fault.kind) for fault in faults)
    return [f"{fault.kind:{width}}  {fault.summary}{_value(fault)}" for fault in faults]


def _value(fault: Fault) -> str:
    return f" (={fault.value_name}, default {fault.value:g})" if fault.value_name else ""
