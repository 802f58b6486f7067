"""A run on disk: bundles, their formats and card, the folder of checkpoints.

Imports `common`; no torch.
"""
