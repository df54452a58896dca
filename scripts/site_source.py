"""Lays out the pages for the site: one folder, its links as they are there, and the navigation of docs/index.md.

Called by scripts/site with the folder, which is made anew; the configuration is written next to it.
"""

import json
import re
import shutil
import sys
from pathlib import Path

TOP = Path(__file__).parent.parent
# The README is the front page, so the index of the pages gets another name.
PAGES = {"README.md": "index.md", "docs/index.md": "pages.md", "CONTRIBUTING.md": "", "CHANGELOG.md": ""}
FILES = ("completions.toml.example", "docs/completions.schema.json")
_HEADING = re.compile(r"^(##+) (.*)")
_ROW = re.compile(r"^\| \[(.*?)\]\((.*?)\)")
_LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def lay_out(folder: Path) -> None:
    """Copy pages, pictures and files into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(TOP / "docs" / "pictures", folder / "pictures")
    for name in FILES:
        shutil.copy(TOP / name, folder / Path(name).name)
    for page in [*map(TOP.joinpath, PAGES), *(TOP / "docs").glob("*.md")]:
        target = folder / placed(page)
        if not target.exists():
            target.write_text(relinked(page.read_text(encoding="utf-8"), page.parent), encoding="utf-8")


def relinked(text: str, beside: Path) -> str:
    """Return the text of a page with links to where files are on the site."""
    return _LINK.sub(lambda link: link[1] + placed(beside / link[2]) + link[3], text)


def placed(path: Path) -> str:
    """Return where a file of the checkout is on the site."""
    name = path.resolve().relative_to(TOP.resolve()).as_posix()
    return PAGES.get(name) or (name.removeprefix("docs/"))


def navigation() -> list[object]:
    """Return the headings of the index with the pages below them, in the form of mkdocs.yml."""
    found: list[object] = [{"Home": "index.md"}, {"All pages": "pages.md"}]
    for line in (TOP / "docs" / "index.md").read_text(encoding="utf-8").splitlines():
        heading, row = _HEADING.match(line), _ROW.match(line)
        if heading:
            pages: list[object] = []
            found.append({heading[2]: pages})
        elif row:
            pages.append({row[1][0].upper() + row[1][1:]: placed(TOP / "docs" / row[2])})
    return [entry for entry in found if all(isinstance(entry, dict) and value for value in entry.values())]


def main() -> None:
    """Lay out the folder and write its configuration, which is JSON and so YAML."""
    folder = Path(sys.argv[1])
    lay_out(folder)
    configuration = {"INHERIT": str(TOP.resolve() / "mkdocs.yml"), "docs_dir": folder.name, "nav": navigation()}
    folder.with_name("mkdocs.yml").write_text(json.dumps(configuration, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
