"""Questions to the person at the terminal. What is asked goes to stderr, never to stdout."""

from completions_cli.errors import UsageError
from completions_cli.streams import Streams, visible

_OPTIONS = "Every answer can also be given as an option or on stdin: see --help."


class Questions:
    """Asks on the terminal; `can_ask` is false in pipes and scripts, where nothing must wait for an answer."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.can_ask = streams.stdin_is_terminal and streams.stderr.is_terminal

    def text(self, question: str, default: str = "") -> str:
        """Ask for a line; Enter alone gives the default."""
        shown = f" [{visible(default)}]" if default else ""
        return self._line(f"{question}{shown}: ").strip() or default

    def yes(self, question: str) -> bool:
        """Ask for a yes or no; Enter alone is yes."""
        return self._line(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")

    def hidden(self, question: str) -> str:
        """Ask for a secret, which is not shown as it is typed. Raises UsageError without a terminal."""
        import getpass

        try:
            return getpass.getpass(f"{question}: ")
        except KeyboardInterrupt:
            self._streams.stderr.raw("\n")
            raise
        except (EOFError, OSError) as error:
            raise UsageError("the input ended before an answer", hint=_OPTIONS) from error

    def _line(self, prompt: str) -> str:
        self._streams.stderr.raw(prompt)
        try:
            return input()
        except KeyboardInterrupt:
            self._streams.stderr.raw("\n")
            raise
        except (EOFError, OSError) as error:
            self._streams.stderr.raw("\n")
            raise UsageError("the input ended before an answer", hint=_OPTIONS) from error
        except UnicodeDecodeError as error:
            raise UsageError("the answer is not text in this terminal's encoding", hint=_OPTIONS) from error
