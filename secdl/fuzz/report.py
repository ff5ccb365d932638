"""What a run of the engine reports: findings, proof of work, SARIF."""

from collections.abc import Iterator

from secdl.fuzz.engine import Coverage
from secdl.fuzz.plan import CrashFound, DeviceResult
from secdl.model import sarif
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Location
from secdl.model.text import one_line

NAME = "fuzz"


def findings(coverage: Coverage) -> Iterator[Finding]:
    """One finding per crash state and device; the planted ones at `canary:…`."""
    for result in coverage.devices:
        for crash in result.crashes:
            yield _finding(f"device:{result.device}", result, crash)
    for result in coverage.canaries:
        for crash in result.crashes:
            if crash.reproduced:
                yield _finding(f"canary:{result.device}", result, crash)


def work(coverage: Coverage) -> Work:
    """Devices and operations, canaries excluded; unread is what did not start or was not done whole."""
    done = [result for result in coverage.devices if result.operations]
    unread = [one_line(f"device:{result.device}: {result.fault}") for result in coverage.devices if result.fault]
    read = {"devices": len(done), "operations": coverage.operations}
    return Work(read=read, unread=tuple(unread), loaded=coverage.loaded)


def document(coverage: Coverage) -> bytes:
    """The SARIF document of a run."""
    version = coverage.binary.version
    return sarif.document([sarif.run_of(NAME, version, findings(coverage), work=work(coverage))])


def _finding(place: str, result: DeviceResult, crash: CrashFound) -> Finding:
    if crash.reproduced:
        proof = (
            f"{crash.operations} qtest commands reproduce it in {crash.reproduced} of {crash.attempts} fresh processes"
        )
    else:
        proof = f"not reproduced in {crash.attempts} fresh processes: its state may need the whole session"
    return Finding(
        tool=NAME,
        rule=crash.rule,
        level=crash.level,
        message=f"{result.device} {crash.title}; {proof}; reproducers/{crash.script}",
        locations=(Location(path=place),),
        context="|".join((result.device, *crash.state)),
        cwe=crash.cwe,
        fix=f"run reproducers/{crash.script.removesuffix('.qtest')}.sh, mend the device, add the script as a test",
    )
