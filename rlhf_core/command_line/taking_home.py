"""The commands ``export-zip``, ``export-model``, ``export-reward-model`` and ``export-dataset``: a
run taken home. The file or the folder is whole, or it is not there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rlhf_core.command_line.inputs import new_place, opened, typed
from rlhf_core.command_line.terminal import DONE, downloading, emit, say
from rlhf_core.exchange import dataset_folder
from rlhf_core.session import paper
from rlhf_core.session.state import Session
from rlhf_core.store import archive, bundle, plain_files

SAID = ("author", "licence", "licence_name", "pay", "consent", "use", "limits")


def export_zip(args: argparse.Namespace) -> int:
    directory, out = Path(typed(args.bundle, "The name of the bundle")), new_place(args)
    files = bundle.whole_files(directory)
    data = archive.pack(files, directory.resolve().name)
    plain_files.put_file(out, data)
    emit({"path": str(out), "files": [*files], "bytes": len(data)})
    if len(data) > archive.MOST_ZIP:
        say(f"It has {len(data) / 1e6:,.0f} MB, more than the app opens (40): use the folder.")
    return DONE


def export_dataset(args: argparse.Namespace) -> int:
    return _folder(args, "dataset")


def export_model(args: argparse.Namespace) -> int:
    return _folder(args, "model")


def export_reward_model(args: argparse.Namespace) -> int:
    return _folder(args, "reward")


def _folder(args: argparse.Namespace, what: str) -> int:
    session, out = session_of(args), new_place(args)
    with plain_files.whole_folder(out) as folder:
        fill(session, what, folder)
    return _done(out, session)


def fill(session: Session, what: str, folder: Path) -> None:
    """Put what is called ``what`` (dataset, model, reward) into an empty folder. Raises OSError,
    InputError, ModelError.
    """
    if what == "dataset":
        dataset_folder.fill(session, folder)
        return

    from rlhf_core.lm import language_model
    from rlhf_core.loop import taking_home

    language_model.load(session.model_name, downloading)
    taking_home.FOLDERS[what](session, folder)


def session_of(args: argparse.Namespace) -> Session:
    """The run, with what was typed for its card; the bundle stays as it is."""
    session = opened(args.bundle)
    values = {name: getattr(args, name) for name in SAID if getattr(args, name)}
    if values.get("licence") and values["licence"] not in paper.LICENCES:
        values |= {"licence": "other", "licence_name": values.get("licence_name", args.licence)}
    for name, value in values.items():
        typed(value, f"--{name.replace('licence', 'license').replace('_', '-')}")
    kept = session.settings.get(paper.CARD)
    session.settings[paper.CARD] = {**(kept if isinstance(kept, dict) else {}), **values}
    return session


def _done(out: Path, session: Session) -> int:
    emit({"path": str(out), "files": sorted(path.name for path in out.iterdir())})
    if not paper.said(session)["licence"]:
        say("No licence was chosen: say --license before you publish it.")
    return DONE
