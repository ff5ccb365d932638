"""One result of a SARIF run, with the rules and files that the run lists, as a finding. Source: OASIS SARIF 2.1.0."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import msgspec

from secdl.model.finding import Finding, Level, Location
from secdl.model.fingerprint import MORE_PLACES, fingerprint, folded, numbered, without_digits
from secdl.model.fingerprint import NAME as FINGERPRINT
from secdl.model.sarif_types import ArtifactLocation, ReportingDescriptor, Result, RuleReference, Run
from secdl.model.text import clean, one_line
from secdl.model.tool import Job, position

_CWE = re.compile(r"\bCWE-0*(\d{1,5})\b", re.IGNORECASE)
_LEVEL = {"error": Level.HIGH, "warning": Level.MEDIUM, "note": Level.LOW, "none": Level.INFO}
_WORST = (Level.CRITICAL, Level.HIGH, Level.UNKNOWN, Level.MEDIUM, Level.LOW, Level.INFO)
_LEVEL_WORDS = frozenset(level.value for level in Level)
_BANDS = ((9.0, Level.CRITICAL), (7.0, Level.HIGH), (4.0, Level.MEDIUM))
_MAX_ARGUMENTS, _MAX_TEMPLATE, _MAX_LOCATIONS, _MAX_CONTEXT, _MAX_WORDS = 20, 8000, 50, 500, 50
_MAX_SNIPPET, _MAX_MESSAGE = 2000, 4000


class _RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """What the findings of one rule share."""

    name: str
    rule: ReportingDescriptor
    override: str
    cwe: tuple[str, ...]
    gain: str
    fix: str
    levels: dict[str, tuple[Level, str]]


class Reader:
    """Turns the results of one run into findings of one job; what rules and files share is worked out once."""

    def __init__(self, run: Run, job: Job) -> None:
        self._run = run
        self._job = job
        self._tool = job.tool
        self._by_index = run.tool.driver.rules
        components = (run.tool.driver, *run.tool.extensions)
        self._by_id = {rule.id: rule for component in components for rule in component.rules}
        self._overrides, self._unclear = _overrides(run)
        self._views: dict[str, _RuleView] = {}
        self._rules: dict[tuple[str, int], _RuleView] = {}
        self._paths: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def findings(self, results: Iterable[Result], seen: dict[str, int] | None = None) -> Iterator[Finding]:
        """`results` as findings, with their fingerprints where `seen` counts equals so far.

        What nearly all results of a large report are, one place in a file and words without arguments, is put together
        right here: calls would cost a fifth more.
        """
        tool, views, paths = self._tool, self._views, self._paths
        for result in results:
            view = views.get(result.rule_id) or self._view(result)
            places = result.locations
            path = None
            if len(places) == 1 and (physical := places[0].physical_location) is not None:
                artifact, region = physical.artifact_location, physical.region
                path = paths[artifact.uri_base_id].get(artifact.uri)
            if path:
                line, column = position(region.start_line), position(region.start_column)
                locations: tuple[Location, ...] = (Location(path=path, line=line, column=column),)
                snippet = region.snippet.text if region.snippet is not None else ""
                if len(snippet) > _MAX_SNIPPET or not snippet.isprintable():
                    snippet = clean(snippet, limit=_MAX_SNIPPET)
            else:
                locations, snippet = self._places(result)
                path = locations[0].path if locations else ""
            said = result.message
            message = said.text.strip()
            if not message.isprintable() or not 0 < len(message) <= _MAX_MESSAGE or said.arguments or len(places) > 1:
                message = self._message(result, view)
            own = result.properties
            context = _context(result) if own or result.partial_fingerprints or result.fingerprints else ""
            found = ""
            if seen is not None:
                text = context or folded(snippet) or without_digits(message)
                found = numbered(tool, view.name, path, text, seen)
            if own or result.kind != "fail":
                yield self._with_own(result, view, message=message, locations=locations, snippet=snippet, found=found)
                continue
            if (known := view.levels.get(result.level)) is None:
                known = view.levels[result.level] = _level(result, view)
            yield Finding(
                tool=tool,
                rule=view.name,
                level=known[0],
                message=message,
                locations=locations,
                word=known[1],
                snippet=snippet,
                context=context,
                cwe=view.cwe,
                gain=view.gain,
                fix=view.fix,
                fingerprint=found,
            )

    def unmatched(self, results: Iterable[Result], seen: dict[str, int]) -> Iterator[tuple[Result, str]]:
        """Those of `results` that match nothing in `seen`, each with its fingerprint: the one that secdl wrote into it,
        else that of `findings`, without making the finding.

        `seen` begins with the fingerprints to match, each 0, and counts equals. A second equal, and what has secdl's
        fingerprint, is given even where it is among them.
        """
        tool, views, paths = self._tool, self._views, self._paths
        for result in results:
            if result.partial_fingerprints and (own := result.partial_fingerprints.get(FINGERPRINT)) is not None:
                yield result, own
                continue
            view = views.get(result.rule_id) or self._view(result)
            path, text = None, ""
            if result.locations and (physical := result.locations[0].physical_location) is not None:
                artifact, said = physical.artifact_location, physical.region.snippet
                path = paths[artifact.uri_base_id].get(artifact.uri)
                if said is not None:
                    text = said.text
                    if len(text) > _MAX_SNIPPET or not text.isprintable():
                        text = clean(text, limit=_MAX_SNIPPET)
                    text = folded(text)
            if result.properties or result.partial_fingerprints or result.fingerprints:
                text = _context(result) or text
            if not path or not text:
                locations, snippet = self._places(result)
                path = locations[0].path if locations else ""
                text = text or folded(snippet) or without_digits(self._message(result, view))
            found = fingerprint(tool, view.name, path, text, 0)
            count = seen.get(found, -1)
            seen[found] = 1 if count < 0 else count + 1
            # A look at each of a hundred thousand fingerprints costs as much as making one: most end here, after one.
            if count:
                yield result, found if count < 0 else fingerprint(tool, view.name, path, text, count)

    def _with_own(
        self,
        result: Result,
        view: _RuleView,
        *,
        message: str,
        locations: tuple[Location, ...],
        snippet: str,
        found: str,
    ) -> Finding:
        own = result.properties or {}
        level, word = _level(result, view)
        return Finding(
            tool=self._tool,
            rule=view.name,
            level=level,
            message=message,
            locations=locations,
            word=word,
            snippet=snippet,
            context=_context(result),
            cwe=_cwe(own, view.rule),
            aliases=_words(own, "secdl/aliases"),
            purl=_line(own, "secdl/purl") or None,
            gain=_line(own, "secdl/gain") or view.gain,
            fix=_line(own, "secdl/fix") or view.fix,
            fingerprint=found,
        )

    def artifacts(self) -> tuple[str, ...]:
        """Paths of the files that the run lists as looked at, sorted."""
        return tuple(sorted({self._path(artifact.location) for artifact in self._run.artifacts} - {""}))

    def _view(self, result: Result) -> _RuleView:
        index = result.rule_index if result.rule_index >= 0 else result.rule.index
        key = (result.rule_id or result.rule.id, index)
        view = self._rules.get(key)
        if view is None:
            named, rule = self._named(*key)
            view = self._rules[key] = _RuleView(
                name=one_line(named, limit=200),
                rule=rule,
                override=self._overrides.get(named) or self._overrides.get(rule.id) or self._unclear,
                cwe=_cwe({}, rule),
                gain=_line(rule.properties, "secdl/gain"),
                fix=_line(rule.properties, "secdl/fix"),
                levels={},
            )
        if result.rule_id in self._by_id:
            self._views[result.rule_id] = view
        return view

    def _named(self, named: str, index: int) -> tuple[str, ReportingDescriptor]:
        rule = self._by_id.get(named)
        if rule is None and 0 <= index < len(self._by_index):
            rule = self._by_index[index]
        if rule is None:
            rule = self._by_id.get(named.rpartition("/")[0])
        return named.strip() or (rule.id if rule else "") or "unnamed", rule or ReportingDescriptor()

    def _message(self, result: Result, view: _RuleView) -> str:
        said = self._said(result, view)
        more = len(result.locations) - _MAX_LOCATIONS
        return said if more <= 0 else said[: _MAX_MESSAGE - 80] + MORE_PLACES.format(more)

    def _said(self, result: Result, view: _RuleView) -> str:
        message, rule = result.message, view.rule
        text = message.text or message.markdown
        if not text and message.id in rule.message_strings:
            text = rule.message_strings[message.id].text
        if message.arguments:
            for number, argument in enumerate(message.arguments[:_MAX_ARGUMENTS]):
                text = text[:_MAX_TEMPLATE].replace(f"{{{number}}}", argument[:_MAX_TEMPLATE])
        return clean((text or rule.short_description.text or view.name).strip(), limit=_MAX_MESSAGE)

    def _places(self, result: Result) -> tuple[tuple[Location, ...], str]:
        """The locations of `result`, and the first snippet among them."""
        found: list[Location] = []
        snippet = ""
        for location in result.locations[:_MAX_LOCATIONS]:
            physical = location.physical_location
            if physical is not None:
                region = physical.region
                if region.snippet is not None and not snippet:
                    snippet = clean(region.snippet.text, limit=_MAX_SNIPPET)
                if path := self._path(physical.artifact_location):
                    line, column = position(region.start_line), position(region.start_column)
                    found.append(Location(path=path, line=line, column=column))
                    continue
            for logical in location.logical_locations[:1]:
                found.append(Location(path=self._job.path(logical.fully_qualified_name or logical.name)))
        return tuple(found), snippet

    def _path(self, location: ArtifactLocation) -> str:
        if not location.uri and 0 <= location.index < len(self._run.artifacts):
            location = self._run.artifacts[location.index].location
        known = self._paths[location.uri_base_id]
        path = known.get(location.uri)
        if path is None:
            uri = self._uri(location)
            path = self._job.path(uri) if uri else ""
            # Without a URI of its own, a location may have an index: another one of the same base is another file.
            if location.uri:
                known[location.uri] = path
        return path

    def _uri(self, location: ArtifactLocation) -> str:
        uri = unquote(location.uri)
        # RFC 8089 allows a file URI without an authority, and Java programs write it.
        if uri.startswith("file:/") and not uri.startswith("file://"):
            uri = uri.removeprefix("file:")
        base = self._run.original_uri_base_ids.get(location.uri_base_id)
        if base is not None and base.uri and "://" not in uri and not uri.startswith("/"):
            uri = unquote(base.uri).rstrip("/") + "/" + uri
        return uri


def _level(result: Result, view: _RuleView) -> tuple[Level, str]:
    """The level and the word for it: the worse of the score and of what the result, or an override, states."""
    properties = result.properties or {}
    own = _text(properties, "secdl/level")
    if own in _LEVEL_WORDS:
        return Level(own), _line(properties, "secdl/word")
    # A result to be reviewed has to say `none`: it weighs what the rule does.
    stated = ("" if result.kind != "fail" and result.level == "none" else result.level) or view.override
    word = stated or view.rule.default_configuration.level
    by_word = _LEVEL.get(word, Level.UNKNOWN), one_line(word, limit=40)
    severity = properties.get("security-severity", view.rule.properties.get("security-severity"))
    if severity is None:
        return by_word
    shown = one_line(str(severity)[:80], limit=40)
    try:
        score = float(severity)
    except (TypeError, ValueError, OverflowError):
        return Level.UNKNOWN, shown
    if not 0 <= score <= 10:
        return Level.UNKNOWN, shown
    if score == 0:
        return by_word
    scored = next((level for least, level in _BANDS if score >= least), Level.LOW)
    return by_word if stated and _WORST.index(by_word[0]) < _WORST.index(scored) else (scored, shown)


def _overrides(run: Run) -> tuple[dict[str, str], str]:
    """The level that the invocations of `run` give to rules, by id, the worst where they differ; and the word for all
    other rules, empty but where an override does not say for which rule it is."""
    found: dict[str, set[str]] = {}
    unclear = ""
    counted: Counter[str] = Counter()
    for invocation in run.invocations:
        levels = {
            _named_rule(run, each.descriptor): each.configuration.level
            for each in invocation.rule_configuration_overrides
            if each.configuration.level
        }
        unclear = "an override of no known rule" if levels.pop("", "") else unclear
        counted.update(levels.keys())
        for rule, level in levels.items():
            found.setdefault(rule, set()).add(level)
    components = (run.tool.driver, *run.tool.extensions) if found else ()
    for known in (known for component in components for known in component.rules):
        if 0 < counted[known.id] < len(run.invocations):
            found[known.id].add(known.default_configuration.level)
    rank = {word: _WORST.index(level) for word, level in _LEVEL.items()}
    unknown = _WORST.index(Level.UNKNOWN)
    return {
        rule: min(sorted(words), key=lambda word: rank.get(word, unknown)) for rule, words in found.items()
    }, unclear


def _named_rule(run: Run, descriptor: RuleReference) -> str:
    if descriptor.id:
        return descriptor.id
    at = descriptor.tool_component.index if descriptor.tool_component is not None else -1
    component = run.tool.extensions[at] if 0 <= at < len(run.tool.extensions) else run.tool.driver
    return component.rules[descriptor.index].id if 0 <= descriptor.index < len(component.rules) else ""


def _context(result: Result) -> str:
    if result.properties and (given := _text(result.properties, "secdl/context")):
        return _short(given)
    own = result.fingerprints or result.partial_fingerprints or {}
    return _short("|".join(f"{key}={own[key]}" for key in sorted(own) if key != FINGERPRINT))


def _short(context: str) -> str:
    if len(context) > _MAX_CONTEXT:
        return "sha256:" + sha256(context.encode("utf-8", "surrogatepass")).hexdigest()
    return clean(context)


def _cwe(own: Mapping[str, Any], rule: ReportingDescriptor) -> tuple[str, ...]:
    words: list[str] = []
    for properties in (own, rule.properties):
        for key in ("cwe", "tags"):
            value = properties.get(key, ())
            words.extend(str(item)[:200] for item in (value if isinstance(value, list | tuple) else (value,)))
    found = {f"CWE-{match[1]}" for word in words for match in _CWE.finditer(word)}
    return tuple(sorted(found, key=lambda cwe: int(cwe[4:])))[:_MAX_WORDS]


def _text(properties: Mapping[str, Any], key: str) -> str:
    value = properties.get(key, "")
    return value if isinstance(value, str) else ""


def _line(properties: Mapping[str, Any], key: str) -> str:
    return one_line(_text(properties, key))


def _words(properties: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = properties.get(key, ())
    named = value if isinstance(value, list | tuple) else ()
    return tuple(one_line(str(word)[:400], limit=100) for word in named[:_MAX_WORDS])
