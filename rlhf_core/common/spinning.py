"""How long PyTorch's threads spin while they wait for one another: a little, not a lot.

Threads that share a multiplication meet after it. Whoever is early spins, which is fastest while it
has a core to itself. Beside other work (a workshop, a shared Space) the spinning thread holds the
very core that the late one needs, and a PPO step takes many times as long. So the spinning is
bounded here, before torch is imported: OpenMP reads these variables once, when it is loaded.
Whoever has set one of them keeps what was set.

A PPO step of 32 answers x 24 tokens x 4 epochs, the bundled model on two cores of a server, in
seconds. Alone and two at once: the median of three turns of four steps. Beside spinning processes a
turn had time for one or two steps only, so that column is rough; where turns lay apart, their range
is given (the 18 is one turn of four, perhaps beside somebody else's work; the others are 6 and 7):

    setting                          alone   two at once   beside 8 spinning processes
    as PyTorch has it (300,000)       0.61     2 to 25      11 to 28
    GOMP_SPINCOUNT=30000              0.65       4.8         8 to 13
    GOMP_SPINCOUNT=10000              0.70       2.5         6
    GOMP_SPINCOUNT=5000               0.65       2.0         6 to 8
    GOMP_SPINCOUNT=2000               0.62       1.5         5 to 7
    GOMP_SPINCOUNT=1000               0.65       1.3         6 to 18
    GOMP_SPINCOUNT=500                0.67       1.0         7
    OMP_WAIT_POLICY=PASSIVE           0.73       1.1         7 to 9
    one thread                        0.81       1.0         5

Wanted: alone at most 1.25 times the fastest, two at once at most 3 times alone. 2000 to 500 keep
both, and so does PASSIVE, closer to its bound; 1000 has room on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping

THEIRS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # any of them says how to wait
BOUNDED = {
    "GOMP_SPINCOUNT": "1000",  # looks; GNU's OpenMP, in the wheels for Linux
    "KMP_BLOCKTIME": "1",  # milliseconds; LLVM's and Intel's, in those for macOS and Windows
}


def bounded_spin(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to ``environment``; nothing where its owner has said how threads wait."""
    return {} if any(name in environment for name in THEIRS) else dict(BOUNDED)
