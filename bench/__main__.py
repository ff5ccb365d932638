"""Runs every benchmark; the exit status is 1 where one passes its limit."""

import sys

from bench import orchestration, sarif_diff

if __name__ == "__main__":
    sys.exit(max(sarif_diff.main(), orchestration.main()))
