"""Output in terminals of any encoding."""

from __future__ import annotations

import os
import subprocess
import sys


def test_signs_that_an_encoding_lacks_become_question_marks():
    code = "from interp import cli; import sys; sys.exit(cli.run(lambda: print('R² é') or 0, on_interrupt=str))"
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"R? ?\n", b"")
