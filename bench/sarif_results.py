"""Writes SARIF files as large as a benchmark wants: the same findings twice, the second time in code that moved."""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILES = 2_000
RULES = 200
CHANGED = 0.02
"""Share of results that only one of the two files holds."""


def write(path: Path, *, results: int, moved: bool) -> None:
    """A report of `results` results at `path`; with `moved` three lines down, a few gone and as many others new."""
    rules = [
        {
            "id": f"rule-{number:03}",
            "shortDescription": {"text": f"Rule number {number}"},
            "defaultConfiguration": {"level": ("error", "warning", "note")[number % 3]},
            "properties": {"tags": ["security", f"external/cwe/cwe-{100 + number}"]},
        }
        for number in range(RULES)
    ]
    head = {"tool": {"driver": {"name": "benchmark", "version": "1.0", "rules": rules}}}
    with path.open("w", encoding="utf-8") as file:
        file.write('{"version":"2.1.0","runs":[' + json.dumps(head, separators=(",", ":"))[:-1] + ',"results":[\n')
        for position, result in enumerate(_results(results, moved=moved)):
            file.write((",\n" if position else "") + json.dumps(result, separators=(",", ":")))
        file.write("\n]}]}\n")


def _results(count: int, *, moved: bool) -> Iterator[dict[str, Any]]:
    rng = random.Random(20261124)  # noqa: S311 - the same benchmark each time
    for number in range(count):
        rule, name, line = rng.randrange(RULES), rng.randrange(FILES), rng.randrange(1, 4_000)
        changed = rng.random() < CHANGED
        variable = f"{'other' if changed and moved else 'value'}_{number}"
        yield {
            "ruleId": f"rule-{rule:03}",
            "ruleIndex": rule,
            "level": ("error", "warning", "note")[rule % 3],
            "message": {"text": f"The length {variable} comes from the guest and is used without a check."},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f"hw/part{name % 40}/device_{name}.c", "uriBaseId": "%SRCROOT%"},
                        "region": {
                            "startLine": line + (3 if moved else 0),
                            "startColumn": 5,
                            "snippet": {"text": f"    memcpy(s->buffer, data, {variable});"},
                        },
                    }
                }
            ],
        }


if __name__ == "__main__":
    write(Path(sys.argv[1]), results=int(sys.argv[2]), moved=sys.argv[3:] == ["moved"])
