"""The pages: words and layout, one script a page, run by Streamlit through `app.py`.

The folder is flat: beside folders in it, Streamlit tells the first visitor of a fresh server who
comes to another page than home that there is no such page.
"""
