"""Look for known weaknesses: bandit in our own code, pip-audit in what we run on.

    python scripts/check_security.py

``make lint`` calls it. Where there is no network, or an index that pip-audit cannot ask, what was
not looked at is said and is no failure. What bandit leaves alone, and why: pyproject.toml.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("app.py", "serve.py", "pages", "ui", "rlhf_core", "scripts")
PINS = "requirements.txt"
SECONDS = 120


def bandit() -> int:
    """Medium and high findings fail."""
    command = [sys.executable, "-m", "bandit", "-q", "-ll", "-c", "pyproject.toml", "-r", *CODE]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def audit() -> int:
    """Known weaknesses of the pinned packages fail; what could not be asked does not."""
    command = [sys.executable, "-m", "pip_audit", "-r", PINS, "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("pip-audit: nobody could be asked (no network?), so nothing was checked.")
        return 0
    unknown = [one["name"] for one in found if "skip_reason" in one]
    weak = [one for one in found if one.get("vulns")]
    for one in weak:
        for flaw in one["vulns"]:
            fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
            print(f"pip-audit: {one['name']} {one['version']}: {flaw['id']}, fixed in {fixed}")
    if unknown:
        print(f"pip-audit: {len(unknown)} of {len(found)} packages are not known to the index.")
    print(f"pip-audit: {len(weak)} of {len(found) - len(unknown)} packages have known weaknesses.")
    return bool(weak)


if __name__ == "__main__":
    sys.exit(max(bandit(), audit()))
