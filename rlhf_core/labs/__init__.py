"""The labs: one claim each, caused by the learner. `registry` lists them.

Imports `loop`, `exchange` and below.
"""
