"""What the pages of the labs share."""
