"""`completions batch merge`: outputs of shards joined into one."""

from completions_cli.batch import merging
from completions_cli.batch.cluster import staging
from completions_cli.commands import resolution
from completions_cli.commands.batch import choices
from completions_cli.commands.batch.options import RowOptions
from completions_cli.commands.options import CommonOptions
from completions_cli.errors import UsageError
from completions_cli.streams import Streams


def run(streams: Streams, parts: list[str], rows: RowOptions, common: CommonOptions) -> None:
    """Join `parts` into the output."""
    resolution.apply_common(common, streams)
    if not parts:
        raise UsageError("merge what?", hint="completions batch merge PART… -o OUTPUT; a file of that name is ./merge.")
    output = choices.output(rows.output)
    if output.exists() and output.stat().st_size and not rows.overwrite:
        raise UsageError(f"{output} exists", hint="Choose another OUTPUT, or --overwrite.")
    with staging.local(parts, output.parent) as paths:
        done = merging.merge(paths, output)
    words = [f"{done.rows} rows, {done.failed} of them failed"]
    words += [f"{done.repeated} that were there twice"] if done.repeated else []
    words += [f"{done.torn} torn lines left out"] if done.torn else []
    streams.stderr.note(f"merged: {', '.join(words)}; output: {output}")
    if done.absent:
        streams.stderr.note(f"warning: {done.absent} rows are in none of the parts: is a shard missing, or unfinished?")
