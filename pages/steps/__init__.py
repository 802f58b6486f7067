"""The steps of the loop, a page each."""
