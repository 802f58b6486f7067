"""What the pages draw together: the bridge to the engine, charts, cards, panels. No torch."""
