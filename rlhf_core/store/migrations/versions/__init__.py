"""One file a version, each with the name of the one before it. What was released is not edited."""
