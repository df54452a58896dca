"""Writes docs/completions.schema.json, the JSON Schema of completions.toml. With --check it only compares."""

import sys
from pathlib import Path

from completions_cli.settings import schema

FILE = Path(__file__).parent.parent / "docs" / schema.FILE_NAME

if "--check" not in sys.argv:
    FILE.write_text(schema.text(), encoding="utf-8")
elif not FILE.exists() or FILE.read_text(encoding="utf-8") != schema.text():
    sys.exit(f"{FILE} is out of date: run scripts/schema.py")
