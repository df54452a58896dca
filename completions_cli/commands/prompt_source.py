"""Where the prompt comes from: exactly one place, its bytes untouched."""

from collections.abc import Callable

from completions_cli import limits, paths
from completions_cli.api import near_names
from completions_cli.api.infill import SUFFIX
from completions_cli.commands import cursor
from completions_cli.commands.prompt_options import PromptOptions
from completions_cli.commands.typed_text import argument, checked, decoded, parse_json
from completions_cli.errors import UsageError
from completions_cli.models import Json, Prompt

_STDIN = "standard input"
# What other APIs call it.
_OTHER_NAMES = ("messages", "input", "inputs", "text", "content", "query", "question", "instruction")


class EmptyInputError(UsageError):
    """What should hold the prompt holds nothing."""


class PromptSource:
    """Reads the prompt that the flags name. `read_stdin` is called at most once, and only when stdin is the source."""

    def __init__(
        self,
        flags: PromptOptions,
        read_stdin: Callable[[], bytes],
        *,
        stdin_is_terminal: bool,
        edit: Callable[[str], str] | None = None,
    ) -> None:
        self._flags = flags
        self._read_stdin = read_stdin
        self._stdin_is_terminal = stdin_is_terminal
        self._edit = edit
        self.uses_stdin = bool(self._stdin_readers())

    def read(self, parse: Callable[[Json], Prompt]) -> tuple[Prompt | None, dict[str, Json]]:
        """Return the prompt, and the other fields of the body: those that `--request` gave, and the suffix.

        `parse` checks that a JSON value is one of the prompt's forms. Raises UsageError.
        """
        flags = self._flags
        self._check_one_source()
        if flags.cursor is not None:
            before, after = cursor.cut(self._text_of(flags.file[0]), flags.cursor, _name(flags.file[0]))
            return self._surround(before), {SUFFIX: after}
        prompt, fields = self._read(parse)
        if flags.suffix is not None:
            fields[SUFFIX] = self._affix(flags.suffix, "--suffix")
        return prompt, fields

    def _read(self, parse: Callable[[Json], Prompt]) -> tuple[Prompt | None, dict[str, Json]]:
        flags = self._flags
        if flags.request is not None:
            return self._request(flags.request, parse)
        if flags.tokens is not None:
            return self._tokens(flags.tokens, parse), {}
        if flags.prompt_json is not None:
            return self._surround(parse(self._json(flags.prompt_json, "--prompt-json"))), {}
        if flags.edit:
            if self._edit is None:
                raise UsageError(
                    "--edit needs a terminal", hint="Give the prompt as an argument, with -f, or pipe it in."
                )
            return self._surround(self._edited(self._edit)), {}
        return self._surround(self._plain()), {}

    def _stdin_readers(self) -> list[str]:
        """Name what will read stdin; there can be one, for it can be read once."""
        flags = self._flags
        named = {
            "PROMPT": flags.prompt == "-",
            "--lines": flags.lines,
            "--null": flags.null,
            "--tokens": flags.tokens in ("-", "@-"),
            "--prompt-json": flags.prompt_json in ("-", "@-"),
            "--request": flags.request in ("-", "@-"),
            "the prompt": not self._given(),
            "--prepend": flags.prepend == "@-",
            "--append": flags.append == "@-",
            "--suffix": flags.suffix == "@-",
        }
        return ["--file"] * flags.file.count("-") + [name for name, reads in named.items() if reads]

    def _given(self) -> list[str]:
        """Name the places the prompt was said to come from."""
        flags = self._flags
        given = {
            "PROMPT": flags.prompt is not None,
            "--file": bool(flags.file),
            "--lines": flags.lines,
            "--null": flags.null,
            "--tokens": flags.tokens is not None,
            "--prompt-json": flags.prompt_json is not None,
            "--request": flags.request is not None,
            "--edit": flags.edit,
        }
        return [name for name, is_given in given.items() if is_given]

    def _check_one_source(self) -> None:
        given = self._given()
        if len(given) > 1:
            hint = "Give one. To put text around it use --prepend and --append."
            if "--request" in given:
                hint = "Put the prompt into the body given with --request."
            raise UsageError(f"the prompt comes from more than one place: {', '.join(given)}", hint=hint)
        if self._flags.cursor is not None:
            self._check_cursor(given)
        if not given and self._stdin_is_terminal:
            raise UsageError(
                "no prompt", hint="Give it as an argument, with -f FILE, or pipe it in; --help shows every way."
            )
        readers = self._stdin_readers()
        if len(readers) > 1:
            raise UsageError(
                f"standard input can be read only once, not for {' and '.join(readers)}",
                hint="Put one of them into a file.",
            )

    def _check_cursor(self, given: list[str]) -> None:
        if given != ["--file"] or len(self._flags.file) != 1:
            raise UsageError(
                "--cursor needs exactly one file, given with -f", hint="For example: -f main.py --cursor 12:5."
            )
        if self._flags.suffix is not None:
            raise UsageError(
                "--cursor and --suffix both say what comes after the gap",
                hint="Leave out --suffix: it is the text after the cursor.",
            )

    def _edited(self, edit: Callable[[str], str]) -> str:
        text = self._drop_newline(edit(""))
        if not text:
            raise UsageError("the editor left the prompt empty", hint="Nothing was sent; write it and save.")
        return text

    def _plain(self) -> Prompt:
        flags = self._flags
        if flags.prompt is not None and flags.prompt != "-":
            return argument(flags.prompt, "PROMPT", escapes=flags.escapes)
        if flags.file:
            texts = [self._text_of(path) for path in flags.file]
            return texts[0] if len(texts) == 1 else texts
        text = _require_text(bounded_text(self._read_stdin(), _STDIN), _STDIN)
        if flags.null:
            return text.removesuffix("\0").split("\0")
        if flags.lines:
            return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        return self._drop_newline(text)

    def _surround(self, prompt: Prompt) -> Prompt:
        before = self._affix(self._flags.prepend, "--prepend")
        after = self._affix(self._flags.append, "--append")
        if not before and not after:
            return prompt
        if isinstance(prompt, str):
            return before + prompt + after
        texts = [before + text + after for text in prompt if isinstance(text, str)]
        if len(texts) != len(prompt):
            raise _not_text()
        return texts

    def _affix(self, value: str | None, name: str) -> str:
        if value is None:
            return ""
        if value.startswith("@"):
            return self._drop_newline(self._file(value[1:]))
        return argument(value, name, escapes=self._flags.escapes)

    def _tokens(self, value: str, parse: Callable[[Json], Prompt]) -> Prompt:
        prompt = parse(self._json(value, "--tokens"))
        if isinstance(prompt, str) or isinstance(prompt[0], str):
            raise UsageError("--tokens contains text, not tokens", hint="Give numbers: --tokens '[1,2,3]'.")
        if self._flags.prepend is not None or self._flags.append is not None:
            raise _not_text()
        return prompt

    def _request(self, value: str, parse: Callable[[Json], Prompt]) -> tuple[Prompt | None, dict[str, Json]]:
        body = self._json(value, "--request")
        if not isinstance(body, dict):
            raise UsageError("--request is not a JSON object", hint='Give a body such as {"prompt": "Once"}.')
        prompt = body.pop("prompt", None)
        if prompt is None:
            _refuse_misnamed(body)
        else:
            return self._surround(parse(prompt)), body
        if self._flags.prepend is not None or self._flags.append is not None:
            raise UsageError(
                "--request has no prompt to which --prepend or --append could add text",
                hint="Put a prompt into the body.",
            )
        return None, body

    def _json(self, value: str, name: str) -> Json:
        """Parse a JSON option: the text itself, @FILE, or - for stdin."""
        if value == "-":
            value = "@-"
        if value.startswith("@"):
            where = _name(value[1:])
            text = _require_text(self._file(value[1:]), where)
        else:
            text, where = checked(value, name), name
        return parse_json(text, where, is_typed=not value.startswith("@"))

    def _text_of(self, path: str) -> str:
        return self._drop_newline(_require_text(self._file(path), _name(path)))

    def _file(self, path: str) -> str:
        if path == "-":
            return bounded_text(self._read_stdin(), _STDIN)
        return read_text(path)

    def _drop_newline(self, text: str) -> str:
        """Drop the one newline that editors and echo put at the end."""
        if self._flags.keep_newline or not text.endswith("\n"):
            return text
        return text[:-2] if text.endswith("\r\n") else text[:-1]


def warnings(prompt: Prompt | None, suffix: Json = None) -> list[str]:
    """Return warnings about a prompt that is sent as it is. With a suffix it may be empty."""
    texts = [prompt] if isinstance(prompt, str) else [text for text in prompt or () if isinstance(text, str)]
    found = []
    if prompt is None:
        found.append("warning: the request has no prompt, so the model begins a new document")
    elif not any(texts) and (texts or not prompt) and not suffix:
        found.append("warning: the prompt is empty, and is sent as it is")
    if any(text.startswith("\ufeff") for text in texts):
        found.append("note: the prompt begins with a byte order mark (U+FEFF), which is sent, too")
    return found


def _name(path: str) -> str:
    return _STDIN if path == "-" else path


def _require_text(text: str, name: str) -> str:
    """Return a text. Raises EmptyInputError if it is empty or a line end: an empty diff is not worth its tokens."""
    if text not in ("", "\n", "\r\n"):
        return text
    source = "Does the command before the pipe print something?" if name == _STDIN else "Is it the right file?"
    raise EmptyInputError(f"{name} is empty: there are no prompts in it", hint=f"Nothing was sent. {source}")


def _refuse_misnamed(body: dict[str, Json]) -> None:
    """Refuse a body that has its prompt under another name. Raises UsageError."""
    slip = next((name for name in body if near_names.nearest(name, ["prompt"])), None)
    if slip is not None:
        raise UsageError(f"--request has no prompt, but {slip!r}", hint="Call it prompt.")
    other = next((name for name in _OTHER_NAMES if body.get(name)), None)
    if other == "messages":
        raise UsageError(
            "--request is a chat: it has messages and no prompt", hint="A completion has one text: put it into prompt."
        )
    if other is not None:
        raise UsageError(f"--request has no prompt, but {other!r}", hint="Call it prompt.")


def _not_text() -> UsageError:
    return UsageError(
        "--prepend and --append need a prompt of text, not of tokens", hint="Put the tokens around it into the array."
    )


def read_text(path: str, name: str | None = None) -> str:
    """Read a file the user named, as UTF-8 and nothing else; messages call it `name`. Raises UsageError."""
    try:
        with paths.expanded(path).open("rb") as file:
            content = file.read(limits.PROMPT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path} cannot be read: {reason}", hint="Check the path.") from error
    return bounded_text(content, name or path)


def bounded_text(content: bytes, name: str) -> str:
    """Return what came of a file or a pipe as text. Raises UsageError if it is more than any model takes."""
    if len(content) > limits.PROMPT_BYTES:
        raise UsageError(f"{name} is larger than {limits.PROMPT_BYTES // limits.MIB} MiB", hint="Nothing was sent.")
    return decoded(content, name)
