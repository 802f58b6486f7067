"""The workshop room as people see it: phones, how one joins, and the desk that phones ask."""
