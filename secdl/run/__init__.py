"""Effects: processes, the schedule, the toolchain and the run folder."""
