"""Judgements from and for other tools, with a report of every row.

Imports `session` and below, never `loop`; no torch.
"""
