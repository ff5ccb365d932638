"""Writes docs/rules/{device,python}.md from the rule packs and their planted defects; `--check` says if they agree.

python scripts/rule_docs.py [--check]
"""

import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKS = ROOT / "policies/semgrep"
CANARIES = ROOT / "secdl/canaries/semgrep"
MARK = "canary: "
CONTEXT = 3
HEADS = {
    "device": (
        "Rules for device code in C",
        'They read every `[[source]]` with `languages = ["c"]` and `guest_facing = true`. What a guest can do to the\n'
        "process that emulates its devices is what they look for. How often they are right and how often they are\n"
        "noise is measured in [README.md](README.md).",
    ),
    "python": (
        "Rules for Python",
        'They read every `[[source]]` with `languages = ["python"]`, beside bandit: the calls that matter in tools\n'
        "which start programs, unpack images and talk to hosts.",
    ),
}


def page(pack: str) -> str:
    """The page of one pack."""
    title, text = HEADS[pack]
    rules = [
        rule for path in sorted((PACKS / pack).glob("*.yaml")) for rule in yaml.safe_load(path.read_text())["rules"]
    ]
    parts = [f"# {title}\n\n{text}\n\nMade by `scripts/rule_docs.py` from `policies/semgrep/{pack}/`; do not edit.\n"]
    parts += [section(rule, pack) for rule in sorted(rules, key=lambda rule: str(rule["id"]))]
    return "\n".join(parts)


def section(rule: dict[str, Any], pack: str) -> str:
    """One rule, in the form that all have."""
    about = rule["metadata"]
    where, code = next(planted(str(rule["id"]), pack))
    rows = (
        ("Level", f"{rule['severity'].lower()}, confidence {about['confidence'].lower()}"),
        ("Class", "; ".join(about["cwe"])),
        ("A guest or attacker gains" if pack == "device" else "An attacker gains", about["gain"]),
        ("Mend", about["fix"]),
        ("Read", ", ".join(f"<{url}>" for url in about["references"])),
    )
    lines = [f"## `{rule['id']}`", "", f"{about['title']}.", ""]
    lines += [f"- **{name}:** {value}" for name, value in rows]
    lines += ["", f"Planted in `{where}`:", "", f"```{'c' if pack == 'device' else 'python'}", *code, "```", ""]
    return "\n".join(lines)


def planted(rule: str, pack: str) -> Iterator[tuple[str, list[str]]]:
    """File and lines of each planted defect of `rule`."""
    for path in sorted((CANARIES / pack).iterdir()):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.partition(MARK)[2].split(" ")[0] == rule:
                above = line.lstrip().startswith(("/*", "#"))
                code = lines[number + 1 : number + 1 + CONTEXT] if above else [line.partition("  # ")[0]]
                code = list(takewhile(lambda text: text.strip(" }"), (text for text in code if MARK not in text)))
                margin = min(len(text) - len(text.lstrip()) for text in code if text.strip())
                yield str(path.relative_to(ROOT)), [text[margin:] for text in code]


def main() -> int:
    """Exit status: 0, or 1 where `--check` finds a page that is not what the packs say."""
    stale = []
    for pack in HEADS:
        path = ROOT / "docs/rules" / f"{pack}.md"
        if "--check" not in sys.argv:
            path.write_text(page(pack))
        elif not path.exists() or path.read_text() != page(pack):
            stale.append(path.name)
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run python scripts/rule_docs.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
