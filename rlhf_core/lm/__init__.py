"""Language models: which there are, how they are fetched and loaded, how they read and write.

Imports `store` and `common`, never `judging`.
"""
