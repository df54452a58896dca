"""Calls from end to end: sent, waited for, tried again, decoded. The Python API, and what the commands run on.

Modules, from the outside in:

    the Python API  sync, asynchronous, base (what both share), arguments, keywords, completion, wording
    settings        configuration
    pools           failover, async_failover, search
    one call        caller, async_caller; dialogue (a score)
    its attempts    attempts, effort, pacer, sessions (of the asynchronous client)
    one request     outgoing, incoming
"""
