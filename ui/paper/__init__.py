"""What the page "Paper trail" is made of: what happened, files to take home, what the author says
for the card, and a run from elsewhere opened. May import ``ui`` and the engine, never torch.
"""
