"""What pip, uv and venv mean by what they say when they fail, in a sentence that says what to do.

Matched are their exact words (pip 22 to 26, uv 0.9 to 0.13), and the operating system's.
"""

import re

# The first that is found in the log is what happened; the order goes from the sure to the likely.
MEANS = (
    (
        r"No space left on device|not enough space on the disk|Disk quota exceeded"
        r"|\[Errno 28\]|\[Errno 122\]|os error 28\)",
        "The disk is full. Make room ({need}), then run the same command again; it goes on from"
        " where it was.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|UnknownIssuer",
        "The package index shows a certificate that this machine does not trust; often a company's"
        " proxy does that. Name its certificate: pip config set global.cert FILE (for uv:"
        " SSL_CERT_FILE).",
    ),
    (
        r"ProxyError|Tunnel connection failed|407 Proxy Authentication",
        "The proxy on the way to the package index refused. Check HTTPS_PROXY, or pip's setting"
        " proxy.",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES|Hash mismatch for",
        "A package is not the one that was locked, so it was not installed. An index of your own"
        " that builds packages itself does that; otherwise try again, and tell the index if it"
        " stays.",
    ),
    (
        r"connection broken by|Failed to establish a new connection|Temporary failure in name"
        r" resolution|Name or service not known|getaddrinfo failed|nodename nor servname"
        r"|Network is unreachable|Read timed out|ReadTimeoutError|ConnectTimeoutError"
        r"|error sending request|dns error|Failed to fetch:|not a trusted or secure host"
        r"|Could not connect|connection timed out",
        "The package index cannot be reached from here. Connect to the network (or name an index"
        " that you can reach: pip config set global.index-url ADDRESS), then run the same command"
        " again.",
    ),
    (
        r"Permission denied|\[Errno 13\]|\[WinError 5\]",
        "A file may not be written. Remove the folder .venv as whoever made it, then run the same"
        " command again.",
    ),
    (
        r"Could not find a version that satisfies|No matching distribution found"
        r"|No solution found when resolving",
        "The package index has no package for this Python and this machine.",
    ),
    (
        r"Failed building wheel|Failed to build|subprocess-exited-with-error|error: command '.*gcc",
        "A package has no ready build for this machine and could not be built here. Python 3.12 on"
        " Linux, macOS or Windows has ready builds of all.",
    ),
)
NO_ENSUREPIP = r"ensurepip is not\s+available|No module named '?ensurepip"


def meaning(log, need="1 GB"):
    """A sentence about what went wrong, or "" where these words are new to us.

    ``need``: the room that is wanted, in words.
    """
    for pattern, sentence in MEANS:
        if re.search(pattern, log):
            return sentence.format(need=need)
    return ""


def last(log, lines=8):
    """The last telling lines, indented."""
    told = [
        line.rstrip()
        for line in log.splitlines()
        if line.strip() and not line.startswith(("WARNING", "[notice]"))
    ]
    return ["    " + line for line in told[-lines:]]
