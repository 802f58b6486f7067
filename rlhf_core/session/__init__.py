"""A session as plain state, and the commands on it that act at once.

Imports `evaluation`, `judging`, `store` and `common`, and nothing that imports torch.
"""
