"""What changed, and how sure one may be: verdict, gold rule, symptoms, the token view.

Imports `lm`, `judging` and below.
"""
