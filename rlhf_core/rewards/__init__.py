"""Reward models: features, heads, doubt, diagnostics, and what taught them what.

Imports `evaluation` and below.
"""
