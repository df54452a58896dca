"""Checks the site that was built: links, anchors and pictures lead somewhere, and the navigation has every page."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

OTHERS = {"404.html"}


class _Page(HTMLParser):
    """Collects what a page links to, and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes that matter."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name == "id" and value:
                self.ids.add(value)


def mistakes(site: Path) -> list[str]:
    """Return what leads nowhere, and which pages nothing leads to."""
    pages = {path.name: _Page(path) for path in site.glob("*.html")}
    found, reached = [], set(OTHERS)
    for name, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            target = unquote(url.path) or name
            if url.scheme or url.netloc or name in OTHERS:
                continue
            reached |= {target} - {name}
            is_anchor_there = not url.fragment or target not in pages or unquote(url.fragment) in pages[target].ids
            if not (site / target).exists() or not is_anchor_there:
                found.append(f"{name}: {link} leads nowhere")
    return found + [f"{name}: docs/index.md does not list it" for name in set(pages) - reached]


if __name__ == "__main__":
    sys.exit("\n".join(sorted(mistakes(Path(sys.argv[1])))) or None)
