"""A run as one HTML file, and charts as drawings without a browser: what leaves the app whole.

May import the engine's plain parts and the rest of ``ui``; no torch, no page.
"""
