"""Bytes over HTTP. The only room, with `auth`, that knows an HTTP library."""

import sys
from typing import Any

# Where click happens to be installed, importing httpx also loads httpx's own command line, and rich with it: 45 ms
# that no request needs. An entry of None makes that import fail, which httpx is prepared for.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("httpx._main", None)
