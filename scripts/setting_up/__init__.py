"""What ``scripts/bootstrap.py`` is made of: which Python, how much room, one at a time, pip or uv.

Standard library only, and readable by Python 3.6: it runs before anything is installed, and an old
Python has to get a clear line, not a syntax error. It knows nothing about the app.
"""
