"""A run taken home: all of it, the tuned model and the reward model as folders that transformers
loads without us.

Each is a handful of files in a fresh folder; as a job (``take_home``) a zip of it. Imports torch.
Simplification: no zip is larger than what a browser takes at once; the command line has no such
bound.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save_file

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.known import known
from rlhf_core.lm import language_model
from rlhf_core.lm.families import trunk_of
from rlhf_core.loop import score_alone
from rlhf_core.loop.workbench import head_of, ready, tuned_of
from rlhf_core.session import paper, saving, taking, weights
from rlhf_core.session.state import Session
from rlhf_core.store import bundle, plain_files
from rlhf_core.store.chat_template import CHAT_TEMPLATE
from rlhf_core.store.model_card import model_card, reward_model_card

MOST_BYTES = 200_000_000  # of weights that a browser is given


def take_home(session: Session, what: str) -> Iterator[Progress | dict]:
    """``session.taking.made`` of a key of ``FOLDERS``. Raises InputError, BundleError."""
    if what not in FOLDERS:
        raise InputError(f"There is nothing called {what[:40]!r} to take home.")
    _check_size(session)
    yield from taking.made(session, what, FOLDERS[what])


def _check_size(session: Session) -> None:
    parameters = language_model.load(session.model_name, fetch=False).trunk.parameters()
    size = sum(one.numel() * 4 for one in parameters)
    if size > MOST_BYTES:
        raise InputError(
            f"The weights of {session.model_name} have {size / 1e6:,.0f} MB; a browser is given at"
            f" most {MOST_BYTES / 1e6:,.0f}. Take the judgements home instead, and make the run"
            " again with the command line, whose folder has the weights."
        )


# --- each of them, into a fresh folder ------------------------------------------------------------


def run_folder(session: Session, folder: Path) -> None:
    """The bundle. Raises BundleError."""
    going_on = session.under_way or session.status == "running"
    saving.save(session, folder, status="interrupted" if going_on else session.status)


def model_folder(session: Session, folder: Path) -> None:
    """The tuned model as transformers saves one, with its card. Raises InputError, ModelError."""
    if not weights.now(session):
        raise InputError("There is no tuned model yet. Run at least one PPO step first.")
    ready(session)
    model, tokenizer = language_model.of_its_own(session.model_name)
    # The trunk shares its parameters with the model, so this tunes the model.
    trunk_of(model).load_state_dict(known(tuned_of(session)), strict=False)
    _save(model, tokenizer, folder)
    _put(folder, model_card(paper.facts(session)))


def reward_folder(session: Session, folder: Path) -> None:
    """The reward model, the frozen model whose states it reads, and a loader of twenty lines.
    Raises InputError, ModelError.
    """
    lm, head = ready(session), head_of(session)
    if head is None:
        raise InputError("There is no reward model yet. Train one first.")
    model, tokenizer = language_model.of_its_own(session.model_name)
    _save(model, tokenizer, folder)
    tensors = {key: value.clone().contiguous() for key, value in head.tensors().items()}
    with plain_files.told_as_oserror():
        save_file(tensors, folder / "reward_model.safetensors", {"format": "pt"})
    before, behind = lm.frame
    about = {"end": lm.end_id, "markers": sorted(i for i in lm.markers if i is not None)}
    about |= {"before": before, "behind": behind}
    (folder / "reward_model.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    shutil.copyfile(score_alone.__file__, folder / "score.py")
    _put(folder, reward_model_card(paper.facts(session)))


def _save(model, tokenizer, folder: Path) -> None:
    with plain_files.told_as_oserror():
        tokenizer.save_pretrained(folder)
        if not getattr(tokenizer, "chat_template", None):
            (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
        model.save_pretrained(folder, max_shard_size="100GB")


def _put(folder: Path, card: str) -> None:
    files = {"README.md": card.encode("utf-8", "replace")}
    plain_files.put_files(folder, files | {bundle.ATTRIBUTES: bundle.GIT_ATTRIBUTES})


FOLDERS = {"run": run_folder, "model": model_folder, "reward": reward_folder}
