"""The parts of the PPO page. Each draws plain data that it is given, or that the session holds;
what is computed stands in ``rlhf_core``, and nothing here trains.
"""
