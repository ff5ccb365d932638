"""Benchmarks of secdl beside the tools that others use; `nox -s bench` runs them all."""
