"""C as a parser without headers can read it: QEMU's macros put aside, every line and column kept.

semgrep gives up a whole file where a macro opens a brace that another closes, or where the arms of an `#if` each open
one: in QEMU 7.2 ten of 1,444 files below hw/, virtio.c and pcnet.c among them. What is replaced keeps its length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import chain, count, pairwise

_BLANK = r"[ \t\f\v\r\0]"
_APART = rf"(?:{_BLANK}|/\*(?:[^*]|\*(?!/))*\*/)*"
_DIRECTIVE = re.compile(rf"{_APART}(?:#|%:|\?\?=){_APART}(\w*)")
_NEVER = re.compile(r"\s*\(?\s*0\s*\)?\s*", re.ASCII)
_COMMENT = re.compile(r"/\*.*?\*/|//.*", re.DOTALL)
_SPLICE = re.compile(rf"\\{_BLANK}*\n")
"""What joins two lines before all else; compilers take one with blanks before its end for such, too."""
_CLOSE = re.compile(rf"\*(?:{_SPLICE.pattern})*/")
_LONE_CR = re.compile(r"\r(?!\n)")
_FIRST_ARM = frozenset({"if", "ifdef", "ifndef"})
_NEXT_ARM = frozenset({"elif", "elifdef", "elifndef", "else"})
_KEPT = frozenset({"include"})
# A quote that nobody closes reaches to the end of its line, and one within a number (C23) is none.
_TEXT = re.compile(r"/\*.*?\*/|//[^\n]*|\b\d(?:'?[\w.])*|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?", re.DOTALL)
_ATTRIBUTE = re.compile(
    r"\b(?:coroutine_fn|coroutine_mixed_fn|no_coroutine_fn|co_wrapper\w*|generated_co_wrapper|g_autofree|GRAPH_\w+LOCK(?:ED)?"
    r"|QEMU_(?:PACKED|NORETURN|SENTINEL|ARTIFICIAL|WARN_UNUSED_RESULT|NONSTRING|FLATTEN|ALWAYS_INLINE)|G_NORETURN"
    r"|G_GNUC_(?:UNUSED|WARN_UNUSED_RESULT|NULL_TERMINATED)"
    r"|(?:QEMU_ALIGNED|GCC_FMT_ATTR|G_GNUC_PRINTF|TSA_\w+|__attribute__\s*\()\([^()]*\)\)?)(?!\w)"
)
_FORMAT = re.compile(r"\b(?:(?:[A-Z]+_)?PRI[diouxX](?:\d+|MAX|PTR)?|TARGET_FMT_\w+|RAM_ADDR_FMT|SIZE_FMT)\b")
_AUTOPTR = re.compile(r"\bg_autoptr\(\s*(\w+)\s*\)")
_LINKS = re.compile(r"\bQ(?:TAILQ|LIST|SIMPLEQ|SLIST)_(?:HEAD|ENTRY)(?:_ATOMIC)?\([^()]*\)")
_FOREACH = re.compile(
    r"\bQ(?:TAILQ|LIST|SIMPLEQ|SLIST)_FOREACH\w*\(\s*(\w+)\s*,\s*((?:[^(),]|\([^()]*\))+),(?:[^()]|\([^()]*\))*\)(?=\s*\{)"
)
_GUARD = re.compile(r"\bWITH_\w+_GUARD\s*\((?:[^()]|\([^()]*\))*\)(?=\s*\{)")
_BLOCK = re.compile(r"^([ \t]+)([A-Z][A-Z0-9_]{3,}\((?:[^(){};]|\([^(){};]*\))*\))(?=\s*\{)", re.MULTILINE)
_RANGE = re.compile(r"(\bcase\s+[^:\n]+?)(\s+\.\.\.\s+[^:\n?]+?)(?=\s*:)")
_GLUE = re.compile(r"\b(?:glue|CONCAT|xglue)\(\s*(\w+)\s*(?:,\s*\w+\s*)+\)")
_GLUE_DEPTH = 3
"""Most calls of glue() inside one another; the innermost is taken first."""
_LOOSE = re.compile(
    r"^(?:[A-Z][A-Z0-9_]+|[a-z]+_init)\((?:[^(){};]|\([^(){};]*\))*\)[ \t]*;?[ \t]*$(?!\s*\{)", re.MULTILINE
)


def variants(text: str) -> Iterator[str]:
    """`text` as any C parser reads it, then once more for each further arm of the `#if`s that no parser takes whole.

    Where a carriage return stands alone, all of that again with line breaks in its place, as clang takes it and gcc
    does not.
    """
    lone = _LONE_CR.sub("\n", text)
    return chain(_arms(text), _arms(lone) if lone != text else ())


def _arms(text: str) -> Iterator[str]:
    first = _without_directives(text, 0)
    yield _without_macros(first)
    # Few files have further arms; what tells is cheap beside what follows.
    for arm in count(1):
        other = _without_directives(text, arm)
        if other == first:
            return
        yield _without_macros(other)


def plain(text: str) -> str:
    """`text` with directives, attributes and QEMU's control macros replaced by what any C parser reads."""
    return next(variants(text))


def _without_macros(text: str) -> str:
    text = _ATTRIBUTE.sub(lambda found: _blank(found[0]), text)
    text = _FORMAT.sub(lambda found: _fit('"x"', found[0]), text)
    text = _AUTOPTR.sub(lambda found: _fit(f"{found[1]} *", found[0]), text)
    text = _LINKS.sub(lambda found: _fit("struct _q", found[0]), text)
    text = _FOREACH.sub(lambda found: _fit(f"while ({found[1]} = {found[2].strip()})", found[0]), text)
    text = _GUARD.sub(lambda found: _fit("if (1)", found[0]), text)
    text = _BLOCK.sub(lambda found: found[1] + _fit("if (1)", found[2]), text)
    text = _RANGE.sub(lambda found: found[1] + _blank(found[2]), text)
    for _ in range(_GLUE_DEPTH):
        text, taken = _GLUE.subn(lambda found: _fit(found[1], found[0]), text)
        if not taken:
            break
    return _LOOSE.sub(lambda found: _blank(found[0]), text)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _fit(new: str, old: str) -> str:
    """`new` on the first line of `old`, padded to its length; `old` itself where it does not fit."""
    head, line_end, rest = old.partition("\n")
    new = " ".join(new.split())
    if len(new) <= len(head):
        return new.ljust(len(head)) + line_end + _blank(rest)
    return new + _blank(old)[len(new) :] if len(new) <= len(old) and "\n" not in old else old


def _without_directives(text: str, arm: int) -> str:
    """`text` without directives but includes. Of arms that are not balanced in themselves only `arm` stays, counted
    from 0; the first where there are fewer."""
    out: list[str] = []
    stack: list[_Choice] = []
    for line in _logical(text):
        if line.word in _FIRST_ARM:
            stack.append(_Choice(start=len(out), never=line.never))
        elif line.word in _NEXT_ARM and stack:
            stack[-1].arms.append(len(out))
        elif line.word == "endif" and stack:
            _settle(out, stack.pop(), arm)
        kept = line.word is None or line.word in _KEPT
        start, end = line.directive
        out.append(line.text if kept else line.text[:start] + _blank(line.text[start:end]) + line.text[end:])
    return "".join(out)


class _Choice:
    """One `#if … #endif`: the indexes of the lines where it and its further arms begin."""

    def __init__(self, *, start: int, never: bool) -> None:
        self.arms = [start]
        self.never = never


def _settle(out: list[str], choice: _Choice, arm: int) -> None:
    bounds = [*choice.arms, len(out)]
    spans = list(pairwise(bounds))
    if choice.never:
        first, last = spans.pop(0)
        out[first:last] = map(_blank, out[first:last])
    if all(_balanced("".join(out[first:last])) for first, last in spans):
        return
    kept = arm if arm < len(spans) else 0
    for first, last in (*spans[:kept], *spans[kept + 1 :]):
        out[first:last] = map(_blank, out[first:last])


def _balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"[{}]", _TEXT.sub("", text)):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return False
    return depth == 0


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with those that a backslash joins to it. `word` is the directive's, None where it is none, and `directive`
    where that stands between comments of several lines; `never` is true for `#if 0`."""

    text: str
    word: str | None = None
    directive: tuple[int, int] = (0, 0)
    never: bool = False


def _logical(text: str) -> Iterator[_Line]:
    # Only a line feed ends a line of C; what else Python breaks lines at may stand within a comment.
    lines = list(StringIO(text, newline="\n"))
    number = 0
    comment = goes_on = False
    while number < len(lines):
        first = number
        number += 1
        while "\\" in lines[number - 1] and _SPLICE.search(lines[number - 1]) and number < len(lines):
            number += 1
        whole = "".join(lines[first:number])
        close = _CLOSE.search(whole) if comment else None
        if comment and close is None:
            yield _Line(whole)
            continue
        start = close.end() if close else 0
        bare = _SPLICE.sub("", whole[start:]) if number > first + 1 else whole[start:]
        # Behind a comment that began in a directive, the directive goes on.
        found = None if goes_on else _DIRECTIVE.match(bare)
        word = found[1] if found else "" if goes_on else None
        never = word == "if" and found is not None and bool(_NEVER.fullmatch(_COMMENT.sub(" ", bare[found.end() :])))
        comment = "/*" in bare and "/*" in _TEXT.sub("", bare)
        goes_on = comment and word is not None
        end = _TEXT.sub(lambda text: "x" * len(text[0]), whole[start:]).find("/*") if comment else -1
        yield _Line(whole, word, (start, len(whole) if end < 0 else start + end), never)
