"""The parts of the Reward model page."""
