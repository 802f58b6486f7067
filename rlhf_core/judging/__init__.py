"""What people are asked and what they answer: briefs, rankings, pairs, annotators, typed text.

Imports `store` and `common`, never `lm`; no torch.
"""
