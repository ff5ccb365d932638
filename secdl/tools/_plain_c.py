"""C as a parser without headers can read it: QEMU's macros put aside, every line and column kept.

semgrep gives up a whole file where a macro opens a brace that another closes, or where the arms of an `#if` each open
one: in QEMU 7.2 ten of 1,444 files below hw/, virtio.c and pcnet.c among them. What is replaced keeps its length.
"""

import re
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise

import msgspec

_BLANK = r"[ \t\f\v\r\0]"
_APART = rf"(?:{_BLANK}|/\*(?:[^*]|\*(?!/))*\*/)*"
# Two of them are the operator that joins tokens, which may begin a line within the arguments of a macro.
_DIRECTIVE = re.compile(rf"{_APART}(?:#(?!#)|%:(?!%:)){_APART}(\w*)")
_NEVER = re.compile(r"\s*\(?\s*0\s*\)?\s*", re.ASCII)
_COMMENT = re.compile(r"/\*.*?\*/|//.*", re.DOTALL)
_SPLICE = re.compile(rf"\\{_BLANK}*\n")
"""What joins two lines before all else; compilers take one with blanks before its end for such, too."""
_OPEN = re.compile(rf"/(?:{_SPLICE.pattern})*\*")
_CLOSE = re.compile(rf"\*(?:{_SPLICE.pattern})*/")
_LONE_CR = re.compile(r"\r(?!\n)")
_BLANKS = " \t\f\v\r\n\0"
_TRIGRAPH = re.compile(rf"(?P<join>\?\?=(?:\?\?=|#)|#\?\?=)|(?P<mark>\?\?=)|(?P<splice>\?\?/(?={_BLANK}*\n))|\?\?/")
"""Those that tell what a line is. A parser that does not know the others says that it could not read them."""
_MEANT = {"join": "##", "mark": "#", "splice": "\\"}
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

    All of that again for what compilers read in two ways: a carriage return alone, which ends a line to clang and not
    to gcc; and trigraphs, which mean something in strict modes only.
    """
    readings = dict.fromkeys((text, _LONE_CR.sub("\n", text)))
    readings |= dict.fromkeys(_TRIGRAPH.sub(_meant, one) for one in readings)
    for one in readings:
        file = _File(one)
        for number in range(file.width):
            yield _without_macros(file.variant(number))


def _meant(trigraph: re.Match[str]) -> str:
    # A backslash that ends no line belongs to the letter behind it.
    return _MEANT[trigraph.lastgroup].ljust(len(trigraph[0])) if trigraph.lastgroup else "  \\"


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


class _Choice(msgspec.Struct):
    """One `#if … #endif` in the arm `at` of the one `above`: the lines where its arms begin and, for each, how many
    variants show all that is in it (none show an arm that is never taken).

    `width` is how many show all of it, 0 until it is closed. Where its arms are not balanced in themselves it is
    `apart`: a variant shows only one of them.
    """

    above: "_Choice | None"
    at: int
    starts: list[int]
    widths: list[int]
    width: int = 0
    apart: bool = False
    wanted: int = 0
    chosen: int = 0

    def close(self, end: int, lines: list[str]) -> None:
        self.starts.append(end)
        spans = [span for span, width in zip(pairwise(self.starts), self.widths, strict=True) if width]
        self.apart = not all(_balanced("".join(lines[first:last])) for first, last in spans)
        self.width = max(1, sum(self.widths) if self.apart else max(self.widths))
        if self.above is not None and self.above.widths[self.at]:
            self.above.widths[self.at] = max(self.above.widths[self.at], self.width)

    def choose(self, number: int, lines: list[str]) -> None:
        """Blanks all arms in `lines` but the one that the variant `number` shows."""
        above = self.above
        if above is not None and above.width:
            number = above.wanted if self.at == above.chosen or not above.apart else 0
        self.wanted = number if number < self.width else 0
        if not self.apart:
            return
        self.chosen = next(arm for arm in range(len(self.widths)) if self.wanted < sum(self.widths[: arm + 1]))
        self.wanted -= sum(self.widths[: self.chosen])
        for arm, (first, last) in enumerate(pairwise(self.starts)):
            if arm != self.chosen:
                lines[first:last] = map(_blank, lines[first:last])


class _File:
    """A file without directives but includes. `width` variants of it show every arm that may be taken."""

    def __init__(self, text: str) -> None:
        self._lines: list[str] = []
        self._choices: list[_Choice] = []
        # As the first variant shows it.
        first: list[str] = []
        stack: list[_Choice] = []
        for line in _logical(text):
            here = len(first)
            if line.word in _FIRST_ARM:
                above = stack[-1] if stack else None
                at = len(above.starts) - 1 if above is not None else 0
                stack.append(_Choice(above, at, [here], [0 if line.never else 1]))
            elif line.word in _NEXT_ARM and stack:
                stack[-1].starts.append(here)
                stack[-1].widths.append(1)
            elif line.word == "endif" and stack:
                choice = stack.pop()
                if not choice.widths[0]:
                    self._never(choice, first)
                choice.close(here, first)
                choice.choose(0, first)
                self._choices.append(choice)
            kept = line.word is None or line.word in _KEPT
            shown = line.text if kept else _blank(line.text[: line.length]) + line.text[line.length :]
            first.append(shown)
            self._lines.append(shown)
        outer = (one.width for one in self._choices if one.above is None or not one.above.width)
        self.width = max(outer, default=1)

    def _never(self, choice: _Choice, first: list[str]) -> None:
        begin, end = choice.starts[0], choice.starts[1] if len(choice.starts) > 1 else len(first)
        self._lines[begin:end] = first[begin:end] = [_blank(line) for line in self._lines[begin:end]]

    def variant(self, number: int) -> str:
        """One variant, counted from 0."""
        lines = list(self._lines)
        # The outer ones close last.
        for choice in reversed(self._choices):
            choice.choose(number, lines)
        return "".join(lines)


def _balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"[{}]", _TEXT.sub("", text)):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return False
    return depth == 0


class _Line(msgspec.Struct, frozen=True):
    """A line with those that a backslash joins to it; the end of a comment that began before it is one of its own.

    `word` is the directive's, None where it is none, and `length` its own, up to a comment that goes on; `never` is
    true for `#if 0`.
    """

    text: str
    word: str | None = None
    length: int = 0
    never: bool = False


def _logical(text: str) -> Iterator[_Line]:
    # Only a line feed ends a line of C; what else Python breaks lines at may stand within a comment.
    lines = list(StringIO(text, newline="\n"))
    number = 0
    comment = goes_on = behind = False
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
        # Behind a comment that began in a directive, the directive goes on; behind one that began after code, the code.
        found = None if goes_on or behind else _DIRECTIVE.match(bare)
        word = found[1] if found else "" if goes_on else None
        never = word == "if" and found is not None and bool(_NEVER.fullmatch(_COMMENT.sub(" ", bare[found.end() :])))
        code, comment = _left(bare)
        goes_on = comment and word is not None
        behind = comment and word is None and (behind or code)
        opened = _OPEN.search(_TEXT.sub(lambda text: "x" * len(text[0]), whole[start:])) if comment else None
        if start:
            # With the comment that it ends, whatever becomes of the directive behind it.
            yield _Line(whole[:start])
        yield _Line(whole[start:], word, opened.start() if opened else len(whole) - start, never)


def _left(line: str) -> tuple[bool, bool]:
    """Whether there is more than comments in `line`, and whether it leaves one open."""
    if "/*" not in line:
        return bool(line.strip(_BLANKS)), False
    code, opened, _ = _TEXT.sub(lambda text: "" if text[0].startswith("/") else "x", line).partition("/*")
    return bool(code.strip(_BLANKS)), bool(opened)
