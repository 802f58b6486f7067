"""Figures that the README gives: `python -m benchmarks`, each part a file."""
