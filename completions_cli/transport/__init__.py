"""Bytes over HTTP. The only room, with `auth`, that knows an HTTP library.

Modules, by the library below them:

    both                connection, route, patience, redirects, answer, decompression
    both, failing       reports (every message), alerts, certificates
    httpx: sync         pool, network, racing, quiet, tls, failures (its exceptions, mapped)
    pyreqwest: async    asynchronous, link, reqwest, received, watched, quickest, breakage (its exceptions, mapped),
                        tunnel and unix_relay (what it cannot do)
    no request          reach (for `config doctor`), this_machine
"""

import sys
from typing import Any

# Where click happens to be installed, importing httpx also loads httpx's own command line, and rich with it: 45 ms
# that no request needs. An entry of None makes that import fail, which httpx is prepared for.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("httpx._main", None)
