"""Device-emulation fuzzing: an engine of its own process, started as `python -m secdl.fuzz … --out FILE`."""
