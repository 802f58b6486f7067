"""Opossum's engine. Whatever of it is imported first, this runs before it, and so before torch."""

import os

from rlhf_core.common.spinning import bounded_spin

os.environ.update(bounded_spin(os.environ))
