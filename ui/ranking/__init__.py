"""The ranking desk: the card, ordering by dragging, thumbs up and down, earlier judgements."""
