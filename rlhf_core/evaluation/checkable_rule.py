"""A rule that a program can check: ends in a full stop, at most eight words, names an animal.

A reward that can be checked needs no judge, and is exactly what it says, no more: "a cat that runs
on dog software." names an animal, and the same sentence counts as often as it is said. Words are
letters to it: "bear" is an animal also where it is a verb, and "dog's" is a dog. Knows nothing
about models. Imports no torch.

Source: verifiable rewards as in Lambert et al. 2024, "Tulu 3" (arXiv 2411.15124), section 6; theirs
check sums and instructions.
"""

from __future__ import annotations

import re
from functools import lru_cache

PARTS = {"stop": "ends in a full stop", "short": "at most eight words", "animal": "names an animal"}
LONGEST = 8  # words
WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")  # no apostrophe: "dog's" and "'dog'" are dogs
ANIMALS = """
    albatross alligator alpaca ant anteater armadillo axolotl badger bat bear beaver bee beetle
    bison butterfly camel canary capybara cat caterpillar centipede chameleon cheetah chicken
    chimpanzee chipmunk cobra cockroach cow coyote crab crocodile crow deer dog dolphin donkey
    dragonfly duck eagle earthworm eel elephant emu falcon ferret firefly flamingo flea fox frog
    gecko giraffe goat goldfish goose gorilla grasshopper groundhog hamster hawk hedgehog heron
    hippo horse hummingbird hyena jellyfish kangaroo koala ladybug lemur leopard lion lizard llama
    lobster magpie manatee meerkat mole monkey moose mosquito moth mouse octopus opossum orangutan
    orca ostrich otter owl panda parrot peacock pelican penguin pig pigeon piranha platypus
    porcupine puffin rabbit raccoon rat rattlesnake raven reindeer rhino robin rooster salamander
    salmon scorpion seagull seahorse seal shark sheep shrimp skunk sloth slug snail snake sparrow
    spider squid squirrel starfish stingray stork swan tadpole tarantula tiger toad tortoise toucan
    tuna turtle vulture walrus wasp whale wolf wombat woodpecker yak zebra
"""
IRREGULAR = {"geese": "goose", "mice": "mouse", "wolves": "wolf"}


@lru_cache(maxsize=1)
def animals() -> dict[str, str]:
    """Each word that names an animal, one or many, and the one: {"foxes": "fox", ...}."""
    found = dict(IRREGULAR)
    for one in ANIMALS.split():
        many = [] if one in IRREGULAR.values() else plurals(one)
        found |= dict.fromkeys((one, *many), one)
    return found


def plurals(one: str) -> list[str]:
    """What several of a regular noun are called: "rats", never "rates"; where both are in use,
    "hippos" and "hippoes".
    """
    if one.endswith(("s", "x", "z", "ch", "sh")):
        return [f"{one}es"]
    if one.endswith("y") and one[-2] not in "aeiou":
        return [f"{one[:-1]}ies"]
    return [f"{one}s", f"{one}es"] if one.endswith("o") else [f"{one}s"]


def named(text: str) -> list[str]:
    """The animals that ``text`` names, each once, in order, as one of them is called."""
    known = animals()
    words = WORD.findall(text.lower())
    return list(dict.fromkeys(known[word] for word in words if word in known))


def check(text: str, ended: bool = True) -> dict[str, bool]:
    """The three parts; ``ended``: whether the model ended the text itself, without which nothing
    ends in a full stop.
    """
    return {
        "stop": ended and text.rstrip().endswith("."),
        "short": 0 < len(text.split()) <= LONGEST,
        "animal": bool(named(text)),
    }


def grade(text: str, ended: bool = True, all_or_nothing: bool = False) -> float:
    """0 to 1: the share of the parts that are fulfilled, or 1 for all of them and else 0."""
    parts = check(text, ended)
    return float(all(parts.values())) if all_or_nothing else sum(parts.values()) / len(parts)
