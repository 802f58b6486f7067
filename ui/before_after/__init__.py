"""The parts of the Before / after page."""
