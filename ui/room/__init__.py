"""The workshop room as people see it: the phone, how one joins, and the server's desk."""
