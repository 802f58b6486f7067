"""The workshop room: one code on the wall, many phones, one model that they train together.

A room is plain rows in the store and an ordinary session for each of its briefs, so that the reward
model, PPO and the verdict are the ones that everybody uses. Imports what stands below ``labs``;
``answers``, ``groups`` and ``measuring`` reach torch.
"""
