"""An error as people, pipes and programs want it: a panel, two lines, or one JSON object."""

import json

from completions_cli.errors import CompletionsError, ServiceError
from completions_cli.streams import Messages, visible, visible_json

_WIDEST = 100
_BORDERS = 4  # columns of a panel that hold no text


def show(error: CompletionsError, stderr: Messages, *, as_json: bool, color: bool) -> None:
    """Report an error on stderr. Never fails, whatever the text holds."""
    if as_json:
        stderr.raw(visible_json(to_json(error)) + "\n")
    elif stderr.can_draw and (panel := _panel(error, color=color)):
        stderr.raw(panel)
    else:
        is_dumb = stderr.is_terminal and not stderr.can_draw
        style = ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") if color and not is_dumb else ("", "", "")
        stderr.raw(f"{style[0]}error:{style[2]} {_one_line(sentence(error))}\n")
        if error.hint:
            stderr.raw(f"{style[1]}hint:{style[2]} {_one_line(error.hint)}\n")


def sentence(error: CompletionsError) -> str:
    """Return the message, with the place and request id that the service named."""
    if not isinstance(error, ServiceError):
        return error.message
    codes = [code for code in (error.code, error.body_code) if code and code not in (str(error.status), error.message)]
    codes = [code for code in codes if code not in error.message]
    where = ".".join(error.loc) or error.param
    details = [
        *([f"at {where}"] if where else []),
        *([f"request id {error.request_id}"] if error.request_id else []),
    ]
    text = f"{error.status or ''} {', '.join(codes)}".strip()
    return (f"{text}: " if text else "") + error.message + (f" ({', '.join(details)})" if details else "")


def to_json(error: CompletionsError) -> str:
    """Make the one-line JSON object that scripts read."""
    known = error if isinstance(error, ServiceError) else None
    fields = {
        "kind": error.kind,
        "exit_code": int(error.exit_code),
        "status": known.status if known else None,
        "code": known.code if known else None,
        "message": error.message,
        "param": known.param if known else None,
        "loc": list(known.loc) or None if known else None,
        "request_id": known.request_id if known else None,
        "retry_after": known.retry_after if known else None,
        "hint": error.hint,
    }
    return json.dumps({"error": fields})


def _panel(error: CompletionsError, *, color: bool) -> str | None:
    """Draw the panel, or return None if a word is too long for it: lines without a box can be copied whole.

    Foreign text goes in as plain Text: no markup, no emoji, no control characters.
    """
    import io

    from rich.cells import cell_len
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.text import Text

    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard" if color else None, legacy_windows=False
    )
    width = min(console.width, _WIDEST)
    message, hint = _one_line(sentence(error)), _one_line(error.hint or "")
    if max((cell_len(word) for word in (*message.split(), *hint.split())), default=0) > width - _BORDERS:
        return None
    console.width = width
    parts = [Text(message)]
    if hint:
        parts.append(Text.assemble(("hint: ", "bold"), hint))
    panel = Panel(Group(*parts), title="error", title_align="left", border_style="red")
    with console.capture() as capture:
        console.print(panel)
    return capture.get()


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))
