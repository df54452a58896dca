"""Faults on demand: a table of kinds, each a small change to one stage of an answer."""
