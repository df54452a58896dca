"""A pool of two members, each with a key of its own."""

from pathlib import Path

from tests.command import Cli

EAST, WEST = "Zq7LmX0vRt2KpW9sYb4N", "hG5jDf8cVuE1oQ3aTi6x"  # no piece of one is a piece of the other


def pool(cli: Cli, east: str, west: str, *, of_east: str = "", of_west: str = "", more: str = "") -> Path:
    """Write the profiles east and west, which are at these URLs, and the pool `all` of both; return the profile file."""
    for name, key in (("east", EAST), ("west", WEST)):
        path = cli.profile("").with_name(f"{name}.key")
        path.write_text(key)
        path.chmod(0o600)
    return cli.profile(
        f'[profiles.east]\nendpoint = "{east}"\nkey_file = "east.key"\n{of_east}\n'
        f'[profiles.west]\nendpoint = "{west}"\nkey_file = "west.key"\n{of_west}\n'
        f'[profiles.all]\nmembers = ["east", "west"]\n{more}'
    )
