import pytest

from secdl.model import words
from secdl.model.finding import Finding, Level


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ({"files": 1, "lines": 9000}, "1 file, 9,000 lines"),
        (
            {"files": 2, "files_read_in_part": 1, "lines_not_parsed": 1},
            "2 files, 1 file read in part, 1 line not parsed",
        ),
        ({"files": 2, "files_read_in_part": 0, "suppressed": 0}, "2 files"),
        ({"elf_files": 1, "settings_files": 1, "sbom_packages": 2}, "1 ELF file, 1 settings file, 2 SBOM packages"),
        ({"bytes": 568_000_000, "sources_with_advisories": 1}, "568 MB, 1 source with advisories"),
        ({"files": 0}, "nothing"),
        ({}, "nothing"),
    ],
)
def test_proof_of_work_is_said_in_words_and_without_what_is_none(work, told):
    assert words.read(work) == told


def test_what_no_tool_rated_stands_behind_the_high_ones_and_before_the_medium_ones():
    def found(level):
        return Finding(tool="t", rule="r", level=level, message="m", locations=())

    ordered = sorted((found(level) for level in reversed(Level)), key=words.severity)
    assert [one.level.value for one in ordered] == ["critical", "high", "unknown", "medium", "low", "info"]
