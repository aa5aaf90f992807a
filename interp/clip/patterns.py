"""Matching of untrusted regular expressions in a separate process with limits of time and memory.

Python's `re` backtracks: a short expression such as ``(.*)*(.*)*x`` can take years on the name of a module, and nothing
within the process can stop it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from interp.clip.errors import ModelError

SECONDS = 20  # far longer than a process takes to start on a busy machine
MOST_BYTES = 2**30  # limit of the process's memory

_CODE = f"""
import json, re, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MOST_BYTES}, {MOST_BYTES}))
except (ImportError, ValueError, OSError):
    pass
patterns, names = json.load(sys.stdin)
try:
    expressions = [re.compile(pattern) for pattern in patterns]
except (re.error, RecursionError, OverflowError) as error:
    json.dump(str(error), sys.stdout)
else:
    json.dump([[i for i, name in enumerate(names) if each.fullmatch(name)] for each in expressions], sys.stdout)
"""


def full_matches(patterns: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    """Return for each regular expression the names that it matches in full, in their order.

    >>> full_matches([r"a\\.\\d+", "b"], ["a.0", "a.1", "b.0"])
    [['a.0', 'a.1'], []]

    Raises:
        ModelError: an expression is invalid, or the matching takes too long or too much memory.
    """
    if not patterns:
        return []
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CODE],
            input=json.dumps([list(patterns), list(names)]).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"a regular expression took more than {SECONDS} seconds") from error
    if done.returncode != 0:
        raise ModelError(f"a regular expression took more than {MOST_BYTES // 2**30} GiB of memory")
    result = json.loads(done.stdout)
    if isinstance(result, str):
        raise ModelError(f"a regular expression is invalid: {result}")
    return [[names[i] for i in indices] for indices in result]
