"""A run on disk: bundles, their formats and card, the folder of checkpoints; sessions in a database
and their weights as blobs.

Imports `common`; no torch.
"""
