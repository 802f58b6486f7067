"""The load benchmark: a bounded crowd on loopback that speaks Streamlit's own websocket protocol.

``tab`` is one browser tab as the server sees it, ``learner`` what a person does in it, ``server``
the app as a process of its own. Each other file is a part. Nothing here imports the app's code.
"""
