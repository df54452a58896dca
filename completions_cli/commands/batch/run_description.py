"""What a run is, in the words of its run file: everything that decides what its rows are asked."""

from dataclasses import replace

from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.run_file import EXTRA, RunFile
from completions_cli.batch.source import Source
from completions_cli.commands.batch import choices
from completions_cli.models import Json
from completions_cli.settings.pool import Pool


def run_file(chosen: choices.Choices, pool: Pool, source: Source) -> RunFile:
    """Describe the run: everything that decides what its rows are asked."""
    described = describe(chosen, pool, source.identity(), source.kind, is_openai=source.is_openai())
    return replace(described, rows=source.lines)


def describe(chosen: choices.Choices, pool: Pool, identity: Identity, kind: str, *, is_openai: bool) -> RunFile:
    """Describe the run on an input of this identity and kind."""
    selection = chosen.selection
    origins = [settings.endpoint.origin if settings.endpoint else "the embedded model" for settings in pool.members]
    return RunFile(
        identity,
        _run_parameters(chosen, pool, kind),
        choices.output_format(chosen, is_openai=is_openai),
        (selection.index, selection.count),
        is_pool=pool.is_pool,
        endpoint=", ".join(origins),
        profile=_names_of(pool),
        limit=selection.limit,
    )


def _names_of(pool: Pool) -> str | None:
    return ", ".join(str(settings.profile) for settings in pool.members) if pool.is_pool else pool.name


def _run_parameters(chosen: choices.Choices, pool: Pool, kind: str) -> dict[str, Json]:
    """Collect what decides what rows are asked, their own words aside."""
    settings = pool.first
    return {
        **settings.parameters,
        **{f"{EXTRA}{name}": value for name, value in settings.extra.items()},
        "model": choices.agreed(pool, "model"),
        "infill": settings.values["infill"],
        "deployment": choices.agreed(pool, "deployment"),
        "extra_parameters": choices.agreed(pool, "extra_parameters"),
        "samples": chosen.samples,
        "template": chosen.recipe.template and chosen.recipe.template.text,
        "input_format": kind,
        "delimiter": chosen.delimiter,
        "send_fields": sorted(chosen.recipe.send) or None,
        "keep_prompt": chosen.recipe.keep_prompt or None,
        "keep_columns": None if chosen.recipe.keep is None else sorted(chosen.recipe.keep),
    }
