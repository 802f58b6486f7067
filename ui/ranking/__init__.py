"""The ranking desk: the card, ordering by dragging, earlier judgements."""
