"""Errors that reach a user: each says what is wrong, where, and what to do next."""


class SecdlError(Exception):
    """Root of every error secdl raises on purpose; `exit_status` is what the command line returns.

    `what` is the fault, `where` the file, key, position or tool, `hint` the next step.
    """

    exit_status = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(": ".join(part for part in (where, what) if part) + (f"; {hint}" if hint else ""))


class ConfigError(SecdlError):
    """The user's configuration or arguments are wrong; the user mends them."""


class PolicyError(ConfigError):
    """A gate policy or waiver file is wrong."""


class MalformedOutput(SecdlError):
    """A tool's output, a report or a run folder is not what its format says."""


class ToolFailed(SecdlError):
    """A tool could not be installed or started where nothing can go on without it."""

    exit_status = 3
