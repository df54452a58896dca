"""The same batch on many machines: blocks of rows in, part files out, one pace for all.

What is here is plain Python but for `engine` and `ray_machines`, the only modules that know Ray. They move blocks to
workers (`worker`, which runs the core of the batch on each) and calls of one `coordinator`, which holds the pace, the
budgets and the keys.
"""
