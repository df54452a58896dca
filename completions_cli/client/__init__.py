"""Calls from end to end: sent, waited for, tried again, decoded. The Python API, and what the commands run on."""
