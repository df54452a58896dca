"""One list of settings: whatever repeats their names for the sake of types says the same as the table."""

from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import typer

from completions_cli.api.parameters import PARAMETERS
from completions_cli.client.arguments import ClientOptions, CompletionOptions
from completions_cli.commands.options import ConnectionOptions, ParameterOptions
from completions_cli.main import app
from completions_cli.settings.table import PROFILE_SETTINGS, SETTINGS, Values

# What a program gives that is no setting.
_OBJECTS = {"api_key", "client_secret", "credential", "headers", "on_wait", "pace"}
# What only files and the command are asked for.
_NOT_FOR_PROGRAMS = {"endpoint", "key_command", "key_file", "format", "members"}
_NOT_FOR_PROGRAMS |= {"rpm", "tpm", "concurrency", "price_in", "price_out"}


def test_values_have_the_names_of_the_table() -> None:
    assert list(Values.__annotations__) == list(SETTINGS)


def test_defaults_have_the_types_of_their_values() -> None:
    for name, kind in get_type_hints(Values).items():
        default = SETTINGS[name].default
        if get_origin(kind) is Literal:
            assert default in get_args(kind), name
        else:
            assert isinstance(default, kind) if isinstance(kind, type) else default is None, name


@pytest.mark.parametrize("command", ["complete", "stream", "batch"])
def test_each_flag_of_the_table_is_an_option_of_its_name(command: str) -> None:
    root: Any = typer.main.get_command(app).make_context("completions", ["-"], resilient_parsing=True)
    options = {param.name: param.opts[0] for param in root.command.resolve_command(root, [command])[1].params}
    flags = {setting.name: setting.flag for setting in SETTINGS.values() if setting.flag}
    assert {name: options.get(name) for name in flags} == flags | ({"format": None} if command == "batch" else {})
    assert {item.name for item in fields(ConnectionOptions)} - {"header"} <= set(flags)


def test_clients_take_every_setting_of_a_profile() -> None:
    assert set(ClientOptions.__annotations__) - _OBJECTS == set(PROFILE_SETTINGS) - _NOT_FOR_PROGRAMS
    client, values = get_type_hints(ClientOptions), get_type_hints(Values)
    for name in set(client) - _OBJECTS:
        assert client[name] == values[name] | None, name


def test_commands_and_clients_take_every_parameter() -> None:
    assert set(PARAMETERS) == {item.name for item in fields(ParameterOptions)} - {"extras"}
    assert set(PARAMETERS) <= set(CompletionOptions.__annotations__)
