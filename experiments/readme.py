"""README's output of `make tune`: put there by `make readme`, held against a fresh run by the tests."""

from __future__ import annotations

import re
import sys
from pathlib import Path

BEGIN, END = "<!-- begin: make tune -->", "<!-- end: make tune -->"
README = Path(__file__).parent.parent / "README.md"


def shown() -> str:
    """Return the output that README shows."""
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def aucs(output: str) -> dict[str, float]:
    """Return the AUC of each ranked row of a printed board, by detector."""
    rows = re.findall(r"^ *\d+ +\d+ +([a-z-]+)(?: \(baseline\))? +(0\.\d+)", output, flags=re.MULTILINE)
    return {detector: float(auc) for detector, auc in rows}


def main() -> None:
    """Put standard input between README's marks."""
    output = "\n".join(line.rstrip() for line in sys.stdin.read().strip().splitlines())
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n```text\n{output}\n```\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
