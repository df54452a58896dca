"""Tables: what fits is a table, words stay whole as long as they can, and nothing is lost at any width."""

import re
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.render import listing
from completions_cli.streams import Output

URL = "https://contoso-production-eastus2.services.ai.azure.com/openai/deployments/gpt/v1"
ROWS = [["azure-production", URL, "key", "default"], ["local", "built in, as ever on this machine", "none", ""]]
HEADINGS = ("profile", "endpoint", "auth", "")


def drawn(rows: list[list[str]], width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    with tempfile.TemporaryFile() as file:
        stdout = Output(file.fileno(), "stdout")
        stdout.is_terminal = True
        listing.show(HEADINGS[: len(rows[0])], rows, stdout, color=False)
        file.seek(0)
        return file.read().decode()


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_url_that_does_not_fit_is_broken_after_punctuation(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(ROWS, width, monkeypatch).splitlines()
    assert max(map(len, lines)) <= width
    pieces = [line[20:].split("  ")[0].strip() for line in lines if "azure" in line or line.startswith(" " * 20)]
    assert "".join(pieces[: next(n for n, piece in enumerate(pieces) if piece.endswith("v1")) + 1]) == URL
    assert all(piece[-1] in "/.-" for piece in pieces if piece in URL and not URL.endswith(piece))
    assert "as ever on" in "\n".join(lines)


def test_what_fits_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert URL in drawn(ROWS, 120, monkeypatch)


@pytest.mark.parametrize("width", [1, 10, 40])
def test_a_terminal_too_narrow_for_a_table_gets_lines(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(ROWS, width, monkeypatch).splitlines()
    assert lines[:4] == ["azure-production", f"  {URL}", "  key", "  default"]
    assert "─" not in "".join(lines)


@given(
    rows=st.lists(st.lists(st.text("ab/ 漢-\n", max_size=90), min_size=3, max_size=3), min_size=1, max_size=4),
    width=st.integers(1, 120),
)
def test_no_text_is_lost_at_any_width(rows: list[list[str]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        text = drawn(rows, width, patch)
    letters = re.sub(r"[^ab/漢]", "", "".join(cell for row in rows for cell in row))
    shown = re.sub(r"[^ab/漢]", "", text.replace("auth", ""))
    assert sorted(letters) == sorted(shown)
