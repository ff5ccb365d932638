"""The typed subset of SARIF 2.1.0 that secdl reads. Source: OASIS SARIF 2.1.0."""

from typing import Any

import msgspec


class _Struct(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    pass


class Message(_Struct, frozen=True):
    text: str = ""
    markdown: str = ""
    id: str = ""
    arguments: tuple[str, ...] = ()


class ArtifactLocation(_Struct, frozen=True):
    uri: str = ""
    uri_base_id: str = ""
    index: int = -1


class Snippet(_Struct, frozen=True):
    text: str = ""


class Region(_Struct, frozen=True):
    start_line: int | None = None
    start_column: int | None = None
    snippet: Snippet | None = None


class PhysicalLocation(_Struct, frozen=True):
    artifact_location: ArtifactLocation = ArtifactLocation()
    region: Region = Region()


class LogicalLocation(_Struct, frozen=True):
    fully_qualified_name: str = ""
    name: str = ""


class SarifLocation(_Struct, frozen=True):
    physical_location: PhysicalLocation | None = None
    logical_locations: tuple[LogicalLocation, ...] = ()


class ComponentReference(_Struct, frozen=True):
    index: int = -1


class RuleReference(_Struct, frozen=True):
    id: str = ""
    index: int = -1
    tool_component: ComponentReference | None = None


class Suppression(_Struct, frozen=True):
    status: str = "accepted"


class Result(_Struct, frozen=True):
    message: Message = Message()
    rule_id: str = ""
    rule_index: int = -1
    rule: RuleReference = RuleReference()
    kind: str = "fail"
    level: str = ""
    locations: tuple[SarifLocation, ...] = ()
    fingerprints: dict[str, str] | None = None
    partial_fingerprints: dict[str, str] | None = None
    baseline_state: str = ""
    suppressions: tuple[Suppression, ...] = ()
    properties: dict[str, Any] | None = None


class Configuration(_Struct, frozen=True):
    level: str = "warning"


class ReportingDescriptor(_Struct, frozen=True):
    id: str = ""
    name: str = ""
    short_description: Message = Message()
    full_description: Message = Message()
    help: Message = Message()
    message_strings: dict[str, Message] = {}
    default_configuration: Configuration = Configuration()
    properties: dict[str, Any] = {}


class Driver(_Struct, frozen=True):
    name: str = ""
    version: str = ""
    semantic_version: str = ""
    rules: tuple[ReportingDescriptor, ...] = ()


class ToolComponent(_Struct, frozen=True):
    driver: Driver = Driver()
    extensions: tuple[Driver, ...] = ()


class Notification(_Struct, frozen=True):
    level: str = "warning"
    message: Message = Message()
    descriptor: RuleReference = RuleReference()


class Overriding(_Struct, frozen=True):
    level: str = ""


class ConfigurationOverride(_Struct, frozen=True):
    descriptor: RuleReference = RuleReference()
    configuration: Overriding = Overriding()


class Invocation(_Struct, frozen=True):
    execution_successful: bool = True
    tool_execution_notifications: tuple[Notification, ...] = ()
    tool_configuration_notifications: tuple[Notification, ...] = ()
    rule_configuration_overrides: tuple[ConfigurationOverride, ...] = ()


class Artifact(_Struct, frozen=True):
    location: ArtifactLocation = ArtifactLocation()


class Head(_Struct, frozen=True):
    """A run without its results."""

    tool: ToolComponent
    invocations: tuple[Invocation, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    original_uri_base_ids: dict[str, ArtifactLocation] = {}
    properties: dict[str, Any] = {}


class Run(Head, frozen=True):
    """A run with its results still as text: each is decoded when it is asked for, so that none is held."""

    results: list[msgspec.Raw] | None = None
    external_property_file_references: dict[str, msgspec.Raw] | None = None


class RunName(_Struct, frozen=True):
    id: str = ""


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What secdl's own report says of the run it is of."""

    run: RunName = msgspec.field(default=RunName(), name="secdl/run")


class Document(_Struct, frozen=True):
    version: str
    runs: tuple[Run, ...]
    inline_external_properties: list[msgspec.Raw] | None = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")
