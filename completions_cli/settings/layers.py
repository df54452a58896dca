"""The layers that a setting is looked for in: what was typed, the profile, variables, the default."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from completions_cli.errors import ConfigError, UsageError
from completions_cli.models import Json
from completions_cli.quoting import quoted
from completions_cli.settings.table import Setting

_ARGUMENT = "argument"


@dataclass(frozen=True, slots=True)
class Flags:
    """What was typed; what is not in here was not. `settings` is by name in the table of settings.

    `members` are profiles named side by side, a pool for once; `profile` is then None. A Python program gives its
    settings in their types, as `arguments`.
    """

    profile: str | None = None
    members: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    arguments: Mapping[str, Json] = field(default_factory=dict, repr=False)
    parameters: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    unset: frozenset[str] = frozenset()
    body: Mapping[str, Json] = field(default_factory=dict)
    body_extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers a setting is looked for in, first choice first.

    A profile that was asked for by name beats variables; the default one does not.
    """

    flags: Flags
    environ: Mapping[str, str]
    profile: Mapping[str, Json]
    profile_source: str

    def value(self, setting: Setting) -> tuple[Json, str]:
        """Find a setting's value and its source. Raises ConfigError, or UsageError for a flag."""
        is_named = self.flags.profile is not None
        found = (
            self._given(setting)
            or (self._in_profile(setting) if is_named else None)
            or self._in_variable(setting, setting.variable)
            or (None if is_named else self._in_profile(setting))
            or self._in_variable(setting, setting.fallback)
        )
        return found or (setting.default, "default")

    def _given(self, setting: Setting) -> tuple[Json, str] | None:
        given, typed = self.flags.arguments.get(setting.name), self.flags.settings.get(setting.name)
        if given is not None:
            return _checked(setting, given), _ARGUMENT
        flag = setting.flag or setting.name
        return None if typed is None else (_parsed(setting, typed, flag), flag)

    def _in_profile(self, setting: Setting) -> tuple[Json, str] | None:
        if not setting.in_profile or setting.name not in self.profile:
            return None
        return setting.kind.check(self.profile[setting.name]), self.profile_source

    def _in_variable(self, setting: Setting, variable: str | None) -> tuple[Json, str] | None:
        text = self.environ.get(variable, "") if variable else ""
        return (_parsed(setting, text, str(variable)), str(variable)) if text else None


def _checked(setting: Setting, value: Json) -> Json:
    try:
        return setting.kind.check(value)
    except ValueError as error:
        raise UsageError(f"{setting.name} must be {error}") from error


def _parsed(setting: Setting, text: str, source: str) -> Json:
    try:
        return setting.kind.parse(text)
    except ValueError as error:
        kind = UsageError if source.startswith("--") else ConfigError
        # A key is easily given in place of the word for how to sign in.
        shown = "" if setting.name == "auth" else f", not {quoted(text)}"
        hint = getattr(error, "hint", None) or f"Correct {source}, or leave it out."
        if setting.name == "auth":
            hint = "It says how to sign in. The key itself comes from COMPLETIONS_API_KEY or the keyring."
        raise kind(f"{source} must be {error}{shown}", hint=hint) from error
