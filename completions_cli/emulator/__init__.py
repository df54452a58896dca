"""The completions service, played on a local socket: behaviours, limits and faults on demand.

Nothing here is shared with the client's own protocol code, so that one mistake cannot hide another.
"""
