"""The same batch on many machines: blocks of rows in, part files out, one pace for all.

Only `engine` and `ray_machines` depend on Ray. Modules, in the order in which a row meets them:

    input        inputs (files, found and counted), overlap, planning (parts), splits, windows
    assigning    scheduler, backlog, readers, machines, bounds
    sending      worker (runs the core of the batch on a block), reach, leased_gate, leased_pace, leased_roster
    deciding     coordinator (pace, budgets, keys), members, messages, driver
    output       part_log, parts, parquet_parts, part_table, output, storage, conditional, folder_lock
    fencing      fencing, writers (folder_writers, store_writers), write_ahead, salvage
    Ray          environment, engine, ray_machines
    afterwards   staging (parts, for `batch merge`)
"""
