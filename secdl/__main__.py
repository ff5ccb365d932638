"""`python -m secdl`."""

from secdl.cli.main import run

run()
