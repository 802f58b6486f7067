"""What a person can put right: errors whose message is one clear sentence for whoever reads it."""

from __future__ import annotations


class InputError(ValueError):
    """Something the learner can put right; the message is one clear sentence."""


class SettingsError(ValueError):
    """A setting that cannot work; the message names it, says why and what is possible."""


class BriefError(ValueError):
    """A brief that cannot be used; the message says what is wrong and where."""


class PreferenceError(ValueError):
    """A judgement that cannot be used; the message names the row and what is wrong."""


class BundleError(ValueError):
    """A bundle that cannot be read or written; the message names the file and what is wrong."""


class ChangedError(BundleError):
    """A file that is not what it was when the run was saved."""


class StoreError(BundleError):
    """Sessions that cannot be kept or read now; the message says why and what to do.

    Attributes:
        kind: the reason in a word: "busy", "read-only", "full", "gone", "missing", "damaged",
            "newer", "behind", "settings" or "refused".
    """

    def __init__(self, message: str, kind: str = "refused"):
        super().__init__(message)
        self.kind = kind


class DownloadError(ValueError):
    """A model that could not be fetched; the message says why and what to do."""


class ModelError(ValueError):
    """A model that cannot be loaded; the message says which, why, and what would work."""


class RewardModelError(ValueError):
    """Comparisons from which nothing can be learned; the message says why and what to do."""


class RoomError(InputError):
    """What cannot be done in a workshop room; the message is one sentence.

    Attributes:
        kind: the reason in a word: "unknown" (no such room, secret or person), "closed", "full",
            "locked" (the host lets nobody new in), "frozen" (not now, but later), "early"
            (something has to come first) or "refused".
    """

    def __init__(self, message: str, kind: str = "refused"):
        super().__init__(message)
        self.kind = kind


class HubError(RuntimeError):
    """A push to the Hugging Face hub that did not come about; the message says why, and what lies
    there now.

    Attributes:
        stopped: somebody asked it to end.
    """

    def __init__(self, message: str, stopped: bool = False):
        super().__init__(message)
        self.stopped = stopped


class QueueError(RuntimeError):
    """A job that can't be taken; the message is one sentence for the page."""
