"""The steps of the loop as generators over a session: write, rank, fit, tune, compare.

Imports `session` and below, never `exchange`.
"""
