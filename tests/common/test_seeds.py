"""One seed, many purposes: the same for the same, another for each part."""

import subprocess
import sys

from rlhf_core.common.seeds import seed_of


def test_the_same_purpose_has_the_same_number_in_every_process():
    assert seed_of(3, "pool", 5) == seed_of(3, "pool", 5)
    code = "from rlhf_core.common.seeds import seed_of; print(seed_of(3, 'pool', 5))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(made.stdout) == seed_of(3, "pool", 5)


def test_every_part_matters_and_so_does_the_order():
    purposes = [
        (3, "pool", 5),
        (4, "pool", 5),
        (3, "check", 5),
        (3, "pool", 6),
        (3, 5, "pool"),
        (3, "pool"),
        (3, "pool", "5"),
        (3, "pool5"),
        (3, "pool", 5, "Kim"),
        (3, "pool", 5, "Robin"),
        (3,),
    ]
    assert len({seed_of(*purpose) for purpose in purposes}) == len(purposes)


def test_it_fits_wherever_a_seed_is_taken():
    drawn = [seed_of(0, "draw", number) for number in range(2_000)]
    assert all(0 <= seed < 2**31 for seed in drawn) and len(set(drawn)) == len(drawn)
    assert abs(sum(drawn) / len(drawn) / 2**31 - 0.5) < 0.03, "spread evenly"
