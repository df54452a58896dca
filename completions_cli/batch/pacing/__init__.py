"""How fast to ask: pure arithmetic on times that come in as values (monotonic seconds), no I/O, no clock.

Several things hold requests back, and the slowest decides: what the user allows (`bucket`), what the server's headers
say is left (`mirror`), waits that it asks for (`retry_after`), the number of requests that it takes at a time (`cap`)
or within a time (`learned`), as its refusals teach, and how many it answers without a queue (`concurrency`).
"""
