"""TOML read into typed values; an error names file, line, key, what was expected and the nearest right word."""

import datetime
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import msgspec
from msgspec import inspect

from secdl.model.errors import ConfigError
from secdl.model.text import foreign_encoding, one_line

T = TypeVar("T")
KeyPath = tuple[str | int, ...]

_SIZE_LIMIT_BYTES = 8 << 20
_MOST_DOTS = 100
_SEARCHED = 1000
"""Characters of a line that may name its key: the patterns below take long over blanks without end."""
_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_POSITION = re.compile(r"\(at line (\d+), column \d+\)$")
_EXPECTED = re.compile(r"^Expected `([a-z |]+)`(?:, got `[a-z]+`)?")
_BOUND = ((">= ", "of at least "), ("<= ", "of at most "), ("> ", "above "), ("< ", "below "))
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a date such as 2026-12-31",
    "datetime": "a time such as 2026-12-31T23:59:59Z",
}


def load_toml(path: Path, kind: type[T]) -> T:
    """The TOML file at `path` as a `kind`. Raises `ConfigError`."""
    return parse_toml(read_toml_text(path), kind, where=str(path))


def read_toml_text(path: Path) -> str:
    """The text of the TOML file at `path`. Raises `ConfigError` where it is unreadable, huge, or not UTF-8."""
    try:
        if path.stat().st_size > _SIZE_LIMIT_BYTES:
            raise ConfigError("larger than 8 MiB", where=str(path), hint="is this the file you meant?")
        raw = path.read_bytes()
        what, hint = foreign_encoding(raw[:4])
        if what:
            raise ConfigError(what, where=str(path), hint=hint)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is not UTF-8", where=str(path), hint="save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(error.strerror or "unreadable", where=str(path), hint="mend the path") from error


def parse_toml(text: str, kind: type[T], *, where: str) -> T:
    """TOML `text` as a `kind`; `where` names the file in errors. Raises `ConfigError`."""
    text = text.removeprefix("\ufeff")
    # tomllib takes time by the square of a key's parts.
    for number, row in enumerate(text.split("\n"), start=1):
        if row.count(".") > _MOST_DOTS and row.partition("=")[0].count(".") > _MOST_DOTS:
            raise ConfigError(f"a key of more than {_MOST_DOTS} parts", where=f"{where}:{number}")
    try:
        data = tomllib.loads(text)
    # Beside its own, tomllib raises a plain ValueError for a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        what = one_line(str(error) or "nested too deeply")
        match = _POSITION.search(what)
        raise ConfigError(f"not TOML: {what}", where=f"{where}:{match[1]}" if match else where) from error
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        fault = _first_fault(data, inspect.type_info(kind), ())
        keys, what = fault or ((), in_words(error))
        line = line_of(text, keys)
        raise ConfigError(what, where=f"{where}:{line}" if line else where) from error


def read_value(data: Any, kind: type[T], keys: KeyPath, *, where: str) -> T:
    """`data`, which the TOML file `where` sets at `keys`, as a `kind`. Raises `ConfigError`."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        fault = _first_fault(data, inspect.type_info(kind), keys)
        at, what = fault or (keys, f"{show(keys)}: {in_words(error)}")
        raise ConfigError(what, where=place(where, at)) from error


def place(where: str, keys: KeyPath) -> str:
    """`file:line` where the TOML file `where` sets `keys`; the bare name where that cannot be told."""
    try:
        line = line_of(Path(where).read_text("utf-8-sig"), keys)
    except (OSError, ValueError):
        return where
    return f"{where}:{line}" if line else where


def in_words(error: Exception) -> str:
    """What `error` of msgspec says, in words of TOML, without the place."""
    said = one_line(str(error).split(" - at ")[0])
    if said.startswith("Invalid RFC3339 encoded date"):
        return "expected " + _KINDS["date"]
    match = _EXPECTED.match(said)
    if match is None:
        return said
    kinds = " or ".join(_KINDS.get(kind, kind) for kind in match[1].split(" | ") if kind != "null")
    rest = said[match.end() :].strip()
    length = rest.startswith("of length ")
    rest = rest.removeprefix("of length ")
    for sign, words in _BOUND:
        if rest.startswith(sign):
            rest = words + rest.removeprefix(sign).removesuffix(".0")
            break
    if length:
        one, more = ("character", "characters") if match[1] == "str" else ("entry", "entries")
        rest += f" {one if rest.endswith(' 1') else more}"
    return f"expected {kinds} {rest}".rstrip()


def nearest(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean "x"?` or the list of known words."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known: " + ", ".join(sorted(set(known))[:20]) if known else ""


def line_of(text: str, keys: KeyPath) -> int | None:
    """1-based line where the value at `keys` is set, else of its nearest table; None for the document."""
    best, best_length = None, 0
    table: KeyPath = ()
    seen: dict[KeyPath, int] = {}
    # `splitlines` also breaks where TOML and editors do not, such as at U+2028 in a comment.
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole[:_SEARCHED]
        if match := _TABLE.match(line):
            table = _resolve(_parts(match[2]), seen)
            if match[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = (*table, seen[table])
            here = table
        elif match := _KEY.match(line):
            here = (*table, *_parts(match[1]))
        else:
            continue
        if here[: len(keys)] == keys and keys:
            return number
        if len(here) > best_length and keys[: len(here)] == here:
            best, best_length = number, len(here)
    return best


def show(keys: KeyPath) -> str:
    """`keys` as a person writes it: `source[1].path`; array positions count from 1."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key + 1}]"
        else:
            text += ("." if text else "") + one_line(key, limit=80)
    return text


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _resolve(parts: tuple[str, ...], seen: dict[KeyPath, int]) -> KeyPath:
    path: KeyPath = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if position < len(parts) - 1 and path in seen:
            path = (*path, seen[path])
    return path


def _first_fault(data: Any, kind: inspect.Type, at: KeyPath) -> tuple[KeyPath, str] | None:
    if isinstance(kind, inspect.Metadata):
        fault = _first_fault(data, kind.type, at)
        said = (kind.extra_json_schema or {}).get("description")
        if fault and said and isinstance(data, str):
            return at, f"{show(at)}: got {_describe(data)}; expected {said}"
        return fault
    if isinstance(kind, inspect.StructType):
        return _struct_fault(data, kind, at)
    if isinstance(kind, inspect.DictType) and isinstance(data, dict):
        return _dict_fault(data, kind, at)
    if isinstance(kind, inspect.VarTupleType | inspect.ListType) and isinstance(data, list):
        faults = (_first_fault(value, kind.item_type, (*at, index)) for index, value in enumerate(data))
        return next((fault for fault in faults if fault), None) or _leaf_fault(data, kind, at)
    if isinstance(kind, inspect.UnionType):
        inner = [part for part in kind.types if isinstance(part, inspect.StructType)]
        if len(inner) == 1 and isinstance(data, dict):
            return _struct_fault(data, inner[0], at)
    return _leaf_fault(data, kind, at)


def _dict_fault(data: dict[str, Any], kind: inspect.DictType, at: KeyPath) -> tuple[KeyPath, str] | None:
    for key, value in data.items():
        here = (*at, key)
        if _leaf_fault(key, kind.key_type, here):
            return here, f"{show(here)}: unknown key; {nearest(key, _words(kind.key_type))}"
        if fault := _first_fault(value, kind.value_type, here):
            return fault
    return _leaf_fault(data, kind, at)


def _struct_fault(data: Any, kind: inspect.StructType, at: KeyPath) -> tuple[KeyPath, str] | None:
    if not isinstance(data, dict):
        return at, f"{show(at)}: expected a table, got {_describe(data)}"
    fields = {field.encode_name: field for field in kind.fields}
    for key in data:
        if key not in fields:
            here = (*at, key)
            return here, f"{show(here)}: unknown key; {nearest(key, tuple(fields))}"
    for name, field in fields.items():
        if name not in data and field.required:
            return at, f"{show(at) or 'document'}: key `{name}` is missing"
        if name in data and (fault := _first_fault(data[name], field.type, (*at, name))):
            return fault
    try:
        msgspec.convert(data, kind.cls)
    except (msgspec.ValidationError, ValueError) as error:
        return at, f"{show(at) or 'document'}: {in_words(error)}"
    return None


def _leaf_fault(data: Any, kind: inspect.Type, at: KeyPath) -> tuple[KeyPath, str] | None:
    try:
        msgspec.convert(data, _python_type(kind))
    except (msgspec.ValidationError, ValueError) as error:
        words = _words(kind)
        expected = nearest(data, words) if words and isinstance(data, str) else in_words(error)
        return at, f"{show(at)}: got {_describe(data)}; {expected}"
    return None


def _words(kind: inspect.Type) -> tuple[str, ...]:
    if isinstance(kind, inspect.Metadata):
        return _words(kind.type)
    if isinstance(kind, inspect.EnumType):
        return tuple(str(member.value) for member in kind.cls)
    if isinstance(kind, inspect.LiteralType):
        return tuple(str(value) for value in kind.values)
    return ()


def _describe(data: Any) -> str:
    return one_line(repr(data), limit=60)


def _python_type(kind: inspect.Type) -> Any:
    """The annotation msgspec was given, rebuilt for one leaf so that its message speaks of this value alone."""
    match kind:
        case inspect.EnumType() | inspect.StructType():
            return kind.cls
        case inspect.LiteralType():
            return Literal[kind.values]
        case inspect.IntType():
            return Annotated[int, _meta(kind, "ge", "gt", "le", "lt")]
        case inspect.FloatType():
            return Annotated[float, _meta(kind, "ge", "gt", "le", "lt")]
        case inspect.StrType():
            return Annotated[str, _meta(kind, "min_length", "max_length", "pattern")]
        case inspect.BoolType():
            return bool
        case inspect.DateType():
            return datetime.date
        case inspect.DateTimeType():
            return datetime.datetime
        case inspect.NoneType():
            return None
        case inspect.UnionType():
            return Union[tuple(_python_type(part) for part in kind.types)]  # noqa: UP007 - built at run time
        case inspect.VarTupleType() | inspect.ListType():
            return Annotated[list[Any], _meta(kind, "min_length", "max_length")]
        case inspect.DictType():
            return Annotated[dict[str, Any], _meta(kind, "min_length", "max_length")]
        case inspect.Metadata():
            return _python_type(kind.type)
    return Any


def _meta(kind: inspect.Type, *bounds: str) -> msgspec.Meta:
    return msgspec.Meta(**{bound: value for bound in bounds if (value := getattr(kind, bound)) is not None})
