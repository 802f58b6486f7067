"""Workshop room: one code on the wall, many phones, one model. One address for everybody; what a
tab shows follows from what its address says, and what it may do from the secret in it.
"""

from __future__ import annotations

from ui import state
from ui.room import host, host_open, join, roles, wall

state.insist_on_the_router()  # a phone or a wall may be the first to come after a restart
role = roles.of_address()
if role.kind == roles.HOST:
    host.draw(role.code, role.key)
elif role.kind == roles.WALL:
    wall.draw(role.code, role.key)
elif role.kind == roles.PERSON:
    join.draw(role.code, role.key)
else:
    host_open.draw(state.session())
