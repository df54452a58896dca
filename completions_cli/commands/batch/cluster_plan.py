"""`completions batch --engine ray --plan`: the plan of a run on a cluster, made on this machine alone."""

from collections.abc import Iterator
from dataclasses import replace

from completions_cli.batch import plan
from completions_cli.batch.cluster import environment, inputs, overlap, splits
from completions_cli.batch.cluster.inputs import InputFile
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.planning import Partition, part_rows
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.plan import Plan
from completions_cli.batch.rows import Row
from completions_cli.batch.units import Packer
from completions_cli.commands.batch import choices, run_description
from completions_cli.commands.batch.choices import Choices, ClusterChoices
from completions_cli.settings.pool import Pool
from completions_cli.streams import Streams


def draw_up(streams: Streams, chosen: Choices, where: ClusterChoices, pool: Pool) -> Plan:
    """Read the whole input, and the rows that OUTPUT has already. Raises UsageError where a run would."""
    environment.require()
    files = inputs.find(chosen.input, where.input_format, chosen.delimiter)
    surveys = [inputs.survey(file, chosen.recipe) for file in files]
    for note in surveys[0].notes:
        streams.stderr.note(note)
    output = None if chosen.output in (None, "-") else Output(str(chosen.output), where.parts)
    if output is not None:
        overlap.check(chosen.input, files, output.place)
    begun = None if output is None or chosen.overwrite else output.begun()
    held = output.held() if output is not None and begun is not None else []
    partition = _partition(chosen, files, begun.known_files if begun is not None else (), held)
    if begun is not None:
        identity, kind = inputs.identity(chosen.input, partition.contents), files[0].kind
        described = run_description.describe(chosen, pool, identity, kind, is_openai=surveys[0].is_openai)
        described = replace(described, files=partition.identities)
        described.check(begun, output, has_grown=lambda _: partition.has_grown_since(begun.known_files))
    rows = _rows(partition, chosen, output if begun is not None else None, set(held))
    found = plan.draw_up(rows, Packer(choices.defaults(pool), chosen.samples, chosen.pack))
    found.done = sum(wanted for _, wanted in partition.parts()) - found.rows
    return found


def _partition(chosen: Choices, files: list[InputFile], earlier: tuple[Identity, ...], held: list[int]) -> Partition:
    files = inputs.in_order(files, earlier)
    before = dict(zip(range(len(earlier) - 1, len(earlier)), earlier[-1:], strict=False))
    contents = [inputs.count(file, before.get(place)) for place, file in enumerate(files)]
    return Partition(files, contents, chosen.selection, part_rows([found.rows for found in contents], held))


def _rows(partition: Partition, chosen: Choices, output: Output | None, held: set[int]) -> Iterator[list[Row]]:
    """Yield the rows that a run would send, those of a part together."""
    every = {part for part, _ in partition.parts()}
    for split in partition.splits(every, chosen.recipe):
        for block in splits.blocks(split):
            done = output.settled(block.part, chosen.retry_failed) if output and block.part in held else set()
            yield [row for row in block.rows if row.number not in done]
