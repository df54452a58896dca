"""`completions config`: profiles, keys, and a doctor for both. One file a family of verbs."""

import typer

from completions_cli.commands import examples
from completions_cli.commands.config import doctor, entries, init, key, profiles, show

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Profiles and keys: set up, look at, change, check.",
)
for verb in (
    init.init,
    profiles.list_,
    show.show,
    entries.get,
    entries.set_,
    entries.unset,
    profiles.use,
    profiles.remove,
    profiles.path,
    profiles.edit,
    doctor.doctor,
):
    name = verb.__name__.removesuffix("_")
    app.command(name=name, epilog=examples.epilog(f"config {name}"))(verb)
app.add_typer(key.app, name="key")
