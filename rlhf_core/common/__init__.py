"""What every package uses: events, settings, errors, intervals, wording.

Imports nothing of ours.
"""
