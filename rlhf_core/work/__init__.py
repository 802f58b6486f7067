"""Who does what takes time: the catalogue of jobs by name, and the queue that advances them.

Imports everything below; no torch.
"""
