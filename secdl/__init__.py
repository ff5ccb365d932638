"""The release gate for hypervisors: run every check, prove that it ran, give one verdict."""

__version__ = "0.1.0"
