"""Measure the largest error of each fast path in its tests, for the site: `python -m tests.measure_agreement`."""

from __future__ import annotations

import json
import sys

import pytest

from tests.agreement import MET, ROOT, ROWS, used

FILE = ROOT / "docs" / "agreement.json"


def main() -> int:
    """Run the tests with comparisons, write the errors, and return the exit status of pytest."""
    status = int(pytest.main(["-p", "no:cacheprovider", *sorted({file for row in ROWS for file in used(row)})]))
    if status == 0:
        rows = {
            name: {
                "what": row.what,
                "oracle": row.oracle,
                "bound": row.bound,
                "error": MET.errors[name],
                "compared": MET.compared[name],
                "tests": sorted(MET.tests[name]),
            }
            for name, row in ROWS.items()
        }
        FILE.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
