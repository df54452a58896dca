"""`completions config`: profiles, keys, and a doctor for both. One file a family of verbs."""

import typer

from completions_cli.commands.config import doctor, entries, init, key, profiles, removal, schema, show
from completions_cli.commands.help_pages import Command, Group

app = typer.Typer(
    add_completion=False,
    cls=Group,
    help="Set up, show, change and check profiles and keys.",
)
for verb in (
    init.init,
    profiles.list_,
    show.show,
    entries.get,
    entries.set_,
    entries.unset,
    profiles.use,
    removal.remove,
    profiles.path,
    profiles.edit,
    schema.schema,
    doctor.doctor,
):
    app.command(name=verb.__name__.removesuffix("_"), cls=Command)(verb)
app.add_typer(key.app, name="key")
