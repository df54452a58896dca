"""Many requests from a file: rows in, a paced run, a journal out. A run can be resumed at any moment.

Modules, in the order in which a row meets them:

    input       source (with inputs/), recipe, template, survey, selection, repeated_ids
    requests    rows, units, scored
    sending     runner, backlog, sender, exchange, encoding, pool/
    judging     outcomes, triage, outage, settling, model_watch, budget
    output      formats (a line), scribe, journal, locking, totals
    resuming    workspace, run_file, recovery, output_lines, entry (a line read back), answers, row_set
    afterwards  outputs (their files), closing, ordering, line_index, merging, export/
    elsewhere   plan (`--plan`), sharing/ (`--share`), cluster/ (`--engine ray`)
"""
