"""The pages: words and layout, one script a page, run by Streamlit through `app.py`."""
