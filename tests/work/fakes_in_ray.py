"""The fake jobs inside a Ray actor, without the language model."""

from __future__ import annotations

import fakes

from rlhf_core.work import ray_actor, worker

fakes.known()
worker.language_model.load = lambda *_, **__: None
Inside = ray_actor.Inside
