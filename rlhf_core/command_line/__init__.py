"""The same loop without a browser: what `python -m rlhf_core` reads, does and says.

Imports everything below; torch only inside functions, after the input was checked.
"""
