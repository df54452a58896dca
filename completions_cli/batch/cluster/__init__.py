"""The same batch on many machines: blocks of rows in, part files out, one pace for all.

What is here is plain Python but for `engine`, the only module that knows Ray: it moves blocks to workers
(`worker`, which runs the core of the batch on each) and calls of one `coordinator`, which holds the pace, the
budgets and the keys.
"""
