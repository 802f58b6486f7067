"""A session as plain state, and the commands on it that act at once.

Imports `algorithms` and below, but nothing that imports torch.
"""
