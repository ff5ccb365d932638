"""Judging a run: waivers, baseline, owners, verdict. Pure functions of values; nothing here reads or writes a file."""
