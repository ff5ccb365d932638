"""Who owns a path, from CODEOWNERS (GitHub's rules) or MAINTAINERS (QEMU's and Linux's)."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from secdl.model.text import one_line

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", "MAINTAINERS")
"""Where an owners file lies in a repository; the first that exists counts, as on GitHub."""

_WILD = re.compile(r"[*?\[]")
_UNESCAPED_SPACE = re.compile(r"(?<!\\)\s+")
_STARS = re.compile(r"\*\*+|\*|\?")
_FIELD = re.compile(r"^([A-Z]):\s*(.*\S)\s*$")
_MAX_STARS = 12


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern: `rank` decides among those that match (highest wins); `owner` None takes ownership away."""

    rank: tuple[int, int, int]
    regex: re.Pattern[str] | None
    owner: str | None
    excludes: tuple[re.Pattern[str], ...] = ()


class Owners:
    """Owners of paths; answers are remembered, so asking for each of many findings is cheap."""

    def __init__(self, entries: Iterable[tuple[str, _Entry]] = ()) -> None:
        self._below: dict[str, list[_Entry]] = {}
        self._known: dict[str, str | None] = {}
        for folder, entry in entries:
            self._below.setdefault(folder, []).append(entry)

    def owner_of(self, path: str) -> str | None:
        """The owner of `path`, several joined as the file joins them; None where nobody is named."""
        if not self._below:
            return None
        try:
            return self._known[path]
        except KeyError:
            owner = self._known[path] = self._look(path)
            return owner

    def _look(self, path: str) -> str | None:
        best: _Entry | None = None
        for folder in _ancestors(path):
            for entry in self._below.get(folder, ()):
                if (
                    (best is None or entry.rank > best.rank)
                    and (entry.regex is None or entry.regex.match(path))
                    and not any(exclude.match(path) for exclude in entry.excludes)
                ):
                    best = entry
        return best.owner if best else None


def owners(files: Mapping[str, str]) -> Owners:
    """The owners that a repository's `files` (text by path) name: of `PLACES` the first that is there."""
    for place in PLACES:
        if place in files:
            return maintainers(files[place]) if place == "MAINTAINERS" else codeowners(files[place])
    return Owners()


def codeowners(text: str) -> Owners:
    """CODEOWNERS `text`: the last match wins, a pattern without owner takes ownership away.

    Lines that GitHub skips are skipped: negations, character ranges, section headers. Source: GitHub, "About code
    owners".
    """
    entries: list[tuple[str, _Entry]] = []
    for number, line in enumerate(text.splitlines()):
        words = _UNESCAPED_SPACE.split(line.strip())
        if not words[0] or words[0].startswith(("#", "!", "[", "^[")) or "[" in words[0]:
            continue
        named: list[str] = []
        for word in words[1:]:
            if word.startswith("#"):
                break
            named.append(word)
        pattern = words[0].replace("\\ ", " ")
        if len(_STARS.findall(pattern)) > _MAX_STARS:
            continue
        owner = one_line(" ".join(named), limit=200) or None
        entry = _Entry(rank=(number, 0, 0), regex=_codeowners_regex(pattern), owner=owner)
        entries.append((_literal_folder(pattern.lstrip("/")) if "/" in pattern.rstrip("/") else "", entry))
    return Owners(entries)


def maintainers(text: str) -> Owners:
    """MAINTAINERS `text`: the section whose `F:` pattern is deepest, then longest, wins; `X:` excludes.

    A section without `M:` owns nothing. `N:` and `K:` patterns are not read. Source: the head of Linux's MAINTAINERS
    and scripts/get_maintainer.pl.
    """
    entries: list[tuple[str, _Entry]] = []
    for section in re.split(r"\n\s*\n", text):
        fields = [match.groups() for line in section.splitlines() if (match := _FIELD.match(line))]
        named = [value for key, value in fields if key == "M"]
        if not named:
            continue
        owner = one_line(", ".join(named), limit=200)
        excludes = tuple(_maintainers_regex(value) for key, value in fields if key == "X")
        for key, pattern in fields:
            if key != "F" or len(_STARS.findall(pattern)) > _MAX_STARS:
                continue
            # A file's pattern is deeper than that of the folder it lies in.
            rank = (pattern.rstrip("/").count("/"), len(_WILD.split(pattern, maxsplit=1)[0]), -len(entries))
            entry = _Entry(rank=rank, regex=_maintainers_regex(pattern), owner=owner, excludes=excludes)
            entries.append((_literal_folder(pattern), entry))
    return Owners(entries)


def glob(pattern: str) -> str:
    """`pattern` as a regular expression: `*` and `?` stay within a path segment, `**` crosses them."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(pattern[at]) or re.escape(pattern[at]))
            at += 1
    return "".join(parts)


def _codeowners_regex(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern.rstrip("/")
    body = glob(pattern.strip("/"))
    if pattern.endswith("/"):
        end = "/"
    elif pattern.endswith("/*"):
        # GitHub: `docs/*` owns files right in docs, not those in folders below it.
        end = r"\Z"
    else:
        end = r"(?:/|\Z)"
    return re.compile(("" if anchored else "(?:.*/)?") + body + end, re.DOTALL)


def _maintainers_regex(pattern: str) -> re.Pattern[str]:
    # get_maintainer.pl lets `*` match anything, but the number of slashes must be the same: `*` within a segment.
    body = "".join({"*": "[^/]*", "?": "[^/]"}.get(c) or re.escape(c) for c in pattern)
    return re.compile(body if pattern.endswith("/") else body + r"(?:/|\Z)" if "*" not in pattern else body + r"\Z")


def _literal_folder(pattern: str) -> str:
    head = _WILD.split(pattern, maxsplit=1)[0]
    return head.rpartition("/")[0]


def _ancestors(path: str) -> Iterable[str]:
    yield ""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
