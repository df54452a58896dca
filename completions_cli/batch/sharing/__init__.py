"""Runs of one machine that share a pace (`--share NAME`): one of them leads, and the others ask it for their turns.

All are members, the leader's own run too. A leader that ends, is killed or stops responding is replaced by a
member within seconds. The members tell the new one which requests they have in flight and what the old one had learned.
"""
