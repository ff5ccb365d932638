"""One command of an installation: started, waited for, and its failure put into one line."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from secdl.model.text import one_line
from secdl.run.install.lock import Entry
from secdl.run.process import Cancel, execute

Say = Callable[[str], None]
"""Takes one line for a person."""

# Where the registries are, how to reach them, and whom to trust: the user's business, so passed on to installers.
_PASSED = (
    *("HOME", "XDG_CACHE_HOME", "NETRC"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE", "UV_KEYRING_PROVIDER"),
    *("UV_CACHE_DIR", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_OFFLINE", "UV_HTTP_TIMEOUT"),
    *("GOPROXY", "GOPRIVATE", "GONOPROXY", "GOAUTH"),
)


class InstallFailed(Exception):
    """One attempt failed: `reason` says what and where, `remedy` what to do; `refused` where what came is not what the
    lock names."""

    def __init__(self, reason: str, *, remedy: str, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.refused = reason, remedy, refused


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One installation: `entry` into `folder`, by the hash locks below `root`."""

    entry: Entry
    folder: Path
    root: Path
    say: Say
    cancel: Cancel | None = None

    @property
    def tree(self) -> Path:
        """What becomes the installed tool; the rest of `folder` is thrown away."""
        return self.folder / "tree"


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What a command left."""

    status: int | None
    fault: str
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The most telling line of what went wrong."""
        if self.fault:
            return self.fault
        lines = [line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()]
        # uv tells the cause below the error, apt repeats itself.
        told = [line for line in lines if line.startswith(("error:", "E:", "cause:"))]
        if told:
            return one_line(" ".join(dict.fromkeys(told)), limit=300)
        return one_line(lines[-1], limit=300) if lines else f"exit status {self.status}"


def command(
    argv: Sequence[str],
    *,
    cwd: Path = Path("/"),
    env: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
    cancel: Cancel | None = None,
) -> Output:
    """Runs `argv` in the scrubbed environment plus `env` and gives what it printed."""
    with tempfile.TemporaryDirectory(prefix="secdl-step-") as folder:
        end = execute(
            argv, cwd=cwd, folder=Path(folder), env=env, timeout_s=timeout_s, size_cap_bytes=64 << 20, cancel=cancel
        )
        printed = {
            name: path.read_text("utf-8", "replace") if (path := Path(folder, name)).exists() else ""
            for name in ("stdout", "stderr")
        }
    return Output(status=end.status, fault=end.fault, stdout=printed["stdout"], stderr=printed["stderr"])


def proxies(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The user's proxy settings, for what goes to the network."""
    return {name: environ[name] for name in environ if name.lower().endswith("_proxy") and environ[name]}


def installer_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What of the user's environment an installer is given."""
    passed = {name: environ[name] for name in _PASSED if environ.get(name)}
    if "PIP_INDEX_URL" in environ and "UV_INDEX_URL" not in passed:
        passed.setdefault("UV_DEFAULT_INDEX", environ["PIP_INDEX_URL"])
    return passed
