"""What tunes a policy: PPO, RLOO, GRPO, DPO, KTO, best-of-n, and a run that is put down and taken
up.

Imports `rewards` and below. Knows no session.
"""
