"""The protocol of `POST /completions`, as pure functions of values: no I/O, no clock, no HTTP library."""
