"""Bytes over HTTP. The only room, with `auth`, that knows an HTTP library."""
