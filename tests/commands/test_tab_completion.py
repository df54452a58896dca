"""The tab key, in the shells that people type in."""

import functools
import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import COMMAND, Cli

_TIME_LIMIT = 30
# What is typed before the tab key, and some of what it then offers; nothing that starts otherwise.
OFFERS = {
    "co": {"complete", "config"},
    "complete --fo": {"--format"},
    "complete -F ": {"text", "json", "jsonl"},
    "stream -p bl": {"blue", "black"},
    "config use ": {"blue", "black", "local"},
    "config key ": {"set", "delete", "status"},
    "emulator --behaviour ": {"reference", "managed", "foundry"},
    "emulator --fault 429-r": {"429-retry-after"},
}


@functools.cache
def script(shell: str) -> str:
    """Give what a shell is told about the command."""
    asked = {"PATH": os.environ["PATH"], "_COMPLETIONS_COMPLETE": f"source_{shell}"}
    return subprocess.run([COMMAND], env=asked, capture_output=True, text=True, timeout=_TIME_LIMIT, check=True).stdout


def environment(cli: Cli) -> dict[str, str]:
    cli.profile("".join(f'[profiles.{name}]\nendpoint = "https://x"\n' for name in ("blue", "black")))
    return {**cli.env, "PATH": f"{Path(COMMAND).parent}:{os.environ['PATH']}", "TERM": "dumb"}


def run(cli: Cli, *words: str) -> str:
    done = subprocess.run(
        words, env=environment(cli), cwd=cli.home, capture_output=True, text=True, timeout=_TIME_LIMIT, check=True
    )
    assert not done.stderr
    return done.stdout


def in_bash(cli: Cli, typed: str) -> set[str]:
    """Call the function that bash calls at the tab key."""
    words = ["completions", *typed.split(" ")]
    asked = f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _completions_completion completions"
    offered = run(cli, "bash", "--norc", "-c", f"{script('bash')}\n{asked}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"")
    return set(offered.split())


def in_fish(cli: Cli, typed: str) -> set[str]:
    """Ask fish what it would offer; a description follows a tab."""
    asked = f"complete -C {shlex.quote(f'completions {typed}')}"
    offered = run(cli, "fish", "--no-config", "-c", f"{script('fish')}\n{asked}")
    return {line.partition("\t")[0] for line in offered.splitlines()}


def in_zsh(cli: Cli, typed: str) -> set[str]:
    """Type into an interactive zsh, and give the words on the screen after the tab key."""
    (cli.home / "script").write_text(script("zsh"))
    setup = "autoload -Uz compinit; compinit -D -u; source ./script; setopt auto_list; LISTMAX=0; PS1=; echo rea''dy\n"
    leader, follower = pty.openpty()
    shell = subprocess.Popen(
        ["/usr/bin/env", "zsh", "-f", "-i"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=cli.home,
        env=environment(cli),
        start_new_session=True,
    )
    os.close(follower)
    try:
        os.write(leader, setup.encode())
        screen_until(leader, {"ready"})
        os.write(leader, f"completions {typed}\t\t".encode())
        return screen_until(leader, OFFERS[typed])
    finally:
        shell.kill()
        shell.wait()
        os.close(leader)


def screen_until(leader: int, expected: set[str]) -> set[str]:
    """Read until the screen shows all these words, or for long enough; give its words."""
    screen, ends = b"", time.monotonic() + _TIME_LIMIT
    while not expected <= set(screen.decode(errors="replace").split()) and time.monotonic() < ends:
        if select.select([leader], [], [], 0.5)[0]:
            screen += os.read(leader, 65536)
    return set(screen.decode(errors="replace").split())


def in_powershell(cli: Cli, typed: str) -> set[str]:
    """Do what PowerShell's script does: whom to ask and how is what that script says."""
    asked = {
        "_COMPLETIONS_COMPLETE": "complete_powershell",
        "_TYPER_COMPLETE_ARGS": f"completions {typed}".rstrip(),  # as its syntax tree is printed
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": typed.rpartition(" ")[2],
    }
    environment(cli)
    lines = cli.run(env=asked).text.splitlines()
    assert all(":::" in line for line in lines)
    return {line.partition(":::")[0] for line in lines}


SHELLS: dict[str, Callable[[Cli, str], set[str]]] = {
    "bash": in_bash,
    "fish": in_fish,
    "zsh": in_zsh,
    "powershell": in_powershell,
}


@pytest.mark.parametrize("typed", OFFERS)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_offers_what_fits(shell: str, typed: str, cli: Cli) -> None:
    if shell != "powershell" and not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    offered = SHELLS[shell](cli, typed)
    assert offered >= OFFERS[typed]
    if shell != "zsh":  # whose screen shows what was typed, too
        begun = typed.rpartition(" ")[2]
        assert all(word.startswith(begun) for word in offered)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_profile_whose_name_is_a_command_is_not_offered(shell: str, cli: Cli) -> None:
    if shell != "powershell" and not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    names = (
        "$(touch a)",
        "`touch a`",
        "bl;touch a",
        "bl\\$(touch a)",
        "bl'$(touch a)",
        'bl"$(touch a)',
        "*",
        "-rf",
        "~root",
    )
    environment(cli)  # writes the usual profiles, to which these are added
    path = cli.home / "config" / "completions" / "completions.toml"
    more = "".join(f'[profiles.{json.dumps(name)}]\nendpoint = "https://x"\n' for name in names)
    cli.env["COMPLETIONS_CONFIG"] = str(cli.home / "more.toml")
    (cli.home / "more.toml").write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    offered = SHELLS[shell](cli, "config use ")
    assert offered >= {"blue", "black", "local"}
    if shell != "zsh":  # whose screen shows what was typed, too
        assert offered == {"blue", "black", "local"}
    assert not (cli.home / "a").exists()
    assert not any("touch" in word for word in offered)


@pytest.mark.parametrize("shell", ["powershell", "pwsh"])
def test_the_script_of_powershell_asks_as_these_tests_do(shell: str) -> None:
    text = script(shell)
    for line in (
        "Register-ArgumentCompleter -Native -CommandName completions -ScriptBlock $scriptblock",
        '$Env:_COMPLETIONS_COMPLETE = "complete_powershell"',
        "$Env:_TYPER_COMPLETE_ARGS = $commandAst.ToString()",
        "$Env:_TYPER_COMPLETE_WORD_TO_COMPLETE = $wordToComplete",
        "completions | ForEach-Object {",
        '$commandArray = $_ -Split ":::"',
    ):
        assert line in text
    for opening, closing in ("{}", "()", "[]"):
        assert text.count(opening) == text.count(closing)


def from_shell(shell: str, home: str, cli: Cli) -> tuple[int, str]:
    """Set up tab completion from a shell, as its user does."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    line = f"{shlex.quote(COMMAND)} --install-completion; exit $?"
    done = subprocess.run(
        [shell, "-c", line], env={**cli.env, "HOME": home}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("home", ["/dev/null", "/proc/no/such/home"])
def test_tab_completion_that_cannot_be_installed_is_no_bug(home: str, cli: Cli) -> None:
    code, said = from_shell("bash", home, cli)
    assert (code, "--show-completion" in said) == (16, True)


def test_a_shell_without_tab_completion_is_told_which_have_one(cli: Cli) -> None:
    code, said = from_shell("dash", str(cli.home), cli)
    assert (code, "error: there is no tab completion for dash\nhint: Run it from bash" in said) == (2, True)
