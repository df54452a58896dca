"""How fast to send: arithmetic on times that are passed in as values (monotonic seconds), no I/O, no clock.

A program asks one `Pace` for each limit that requests share. The interface:

    pace = Pace(Concurrency(fixed, most), rpm, tpm, now)    # fixed None: adapts up to `most`; no limit given: None
    wait = pace.wait(now, tokens, most)                     # 0: send now; FULL: ask again when a request ends
    ticket = pace.leave(now, tokens, most)                  # a request goes out
    pace.read(now, ticket, header)                          # the rate headers of its answer, whatever its status
    pace.answered(now, ticket, used)                        # then one of these three, exactly once a ticket
    pace.refused(now, ticket, retry_after)
    pace.failed(now, ticket, overloaded=..., retry_after=...)

`gate.Gate` keeps the queue of those who wait on an event loop: `await gate.enter(tokens, most)` returns a ticket, and
`gate.pump()` is called after every outcome.

Several things hold requests back, and the slowest decides: what the user allows (`bucket`), what the server's headers
say is left (`mirror`), waits that it asks for (`retry_after`), the number of requests that it takes at a time (`cap`)
or within a time (`learned`), as its refusals teach, and how many it answers without a queue (`concurrency`).
"""
