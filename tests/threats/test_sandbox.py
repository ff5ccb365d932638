"""Hostile models: whatever they do, they see nothing, reach nothing, end, and never look like a model."""

import ast
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from secdl.model.errors import ToolFailed
from secdl.threats import dump, sandbox
from secdl.threats.sandbox import ModelBroken, interpreter, run_model

GOOD = """
from pytm import TM, Boundary, Dataflow, ExternalEntity, Process
tm = TM("Small", description="d")
inside = Boundary("Host")
guest = ExternalEntity("Guest", kind="guest")
device = Process("Device", kind="pci-device", inBoundary=inside)
Dataflow(source=guest, sink=device, name="Guest programs the device", kind="trap")
"""
PROBE = """
import os, socket, threading
def tried(what):
    try:
        return repr(what())
    except BaseException as error:
        return type(error).__name__
raise RuntimeError(str({probe}))
"""


@pytest.fixture
def build(programs, pytm, model_file):
    def build(text: str, *, timeout_s: float = 120.0, alone: bool = False) -> dump.Model:
        path = model_file(text)
        folder = None if alone else path.parent
        return dump.read(run_model(path, folder, pytm, bwrap=programs.bwrap, timeout_s=timeout_s))

    return build


def probe(build, expression: str) -> str:
    with pytest.raises(dump.BrokenAt) as caught:
        build(PROBE.format(probe=expression))
    return str(caught.value).removeprefix("RuntimeError: ")


def test_a_plain_model_is_read(build):
    model = build(GOOD)
    assert [element.name for element in model.elements] == ["Guest", "Device"]
    assert [(flow.source, flow.sink, flow.crosses, flow.line) for flow in model.flows] == [("Guest", "Device", True, 7)]
    assert model.raised


def test_a_model_that_runs_pytm_s_command_line_is_read_too(build):
    model = build(GOOD + "if __name__ == '__main__':\n    tm.process()\n")
    assert len(model.elements) == 2


def test_a_model_built_inside_a_function_is_read(build):
    body = "".join(f"    {line}\n" for line in GOOD.strip().splitlines()[1:])
    model = build("from pytm import *\ndef build():\n" + body + "build()\n")
    assert len(model.elements) == 2


def test_a_model_may_import_what_lies_beside_it_and_nothing_where_it_stands_alone(build, model_file):
    model_file("NAME = 'Guest'\n", name="names.py")
    importing = GOOD.replace("\ntm = ", "\nimport names\ntm = ")
    assert build(importing).elements
    with pytest.raises(dump.BrokenAt, match="names"):
        build(importing, alone=True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("while True: pass\n", id="endless loop"),
        pytest.param(
            "import time\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass\n", id="sleeps"
        ),
        pytest.param(
            "import signal, time\nsignal.pthread_sigmask(1, range(1, 65))\ntime.sleep(99)\n", id="blocks signals"
        ),
    ],
)
def test_a_model_that_hangs_is_stopped_at_the_deadline(build, text):
    with pytest.raises(ModelBroken, match="did not end within 5 s"):
        build(text, timeout_s=5.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("raise ValueError('no')\n", "ValueError: no", id="raises"),
        pytest.param("def f(:\n", "SyntaxError", id="does not parse"),
        pytest.param("import sys\nsys.exit(3)\n", "SystemExit", id="exits with a status"),
        pytest.param("x = 1\n", "exactly one pytm.TM, and it created 0", id="builds nothing"),
        pytest.param(GOOD + "TM('second', description='d')\n", "and it created 2", id="builds two"),
        pytest.param("import sys\nsys.exit(0)\n", "exactly one pytm.TM", id="exits 0 with nothing"),
        pytest.param("import os\nos._exit(0)\n", "ended without leaving a model", id="vanishes with 0"),
        pytest.param("import os\nos._exit(7)\n", "ended with exit status 7", id="vanishes with 7"),
        pytest.param("import ctypes\nctypes.string_at(0)\n", "killed by signal 11", id="crashes"),
        pytest.param("x = bytearray(8 << 30)\n", "MemoryError", id="takes 8 GiB"),
    ],
)
def test_a_model_that_breaks_says_how(build, text, why):
    with pytest.raises(ModelBroken, match=why):
        build(text)


def test_garbage_on_standard_output_is_nobody_s_model(build):
    forged = '{"format": "secdl-model/1", "elements": []}'
    model = build(f"print({forged!r} * 1000)\nimport sys\nsys.stderr.write('x' * 10**6)\n" + GOOD)
    assert len(model.elements) == 2


@pytest.mark.parametrize(
    "written", ["b'garbage'", "b'{}'", 'b\'{"format": "other/1"}\'', "b'[' * 10**6", "b'\\xff\\xfe'", "b'null'"]
)
def test_what_a_model_writes_in_the_dump_s_place_is_decoded_as_hostile(build, written):
    with pytest.raises(ModelBroken, match="no model"):
        build(f"import os, sys\nos.write(int(sys.orig_argv[-1]), {written})\nos._exit(0)\n")


def test_a_dump_beyond_the_cap_is_refused(build):
    text = f"import os, sys\nfd = int(sys.orig_argv[-1])\nwhile os.write(fd, b'x' * {1 << 20}): pass\n"
    with pytest.raises(ModelBroken):
        build(text)


def test_a_model_that_wipes_the_dump_is_not_measured_and_never_clean(build):
    with pytest.raises((ModelBroken, ToolFailed)):
        build("import os, sys\nos.ftruncate(int(sys.orig_argv[-1]), 0)\nos._exit(0)\n")


def test_too_many_elements_are_refused(build, monkeypatch):
    monkeypatch.setattr(dump, "_MOST_ELEMENTS", 2)
    with pytest.raises(ModelBroken, match="has 3 elements; secdl reads 2 at most"):
        build(GOOD)


def test_no_file_of_the_machine_is_seen(build, tmp_path, model_file):
    Path(tmp_path, "secret").write_text("s3cret")
    model_file("", name="link").unlink()
    Path(tmp_path, "models").mkdir(exist_ok=True)
    Path(tmp_path, "models", "link").symlink_to(tmp_path / "secret")
    seen = probe(
        build,
        "[tried(lambda: open('/etc/passwd').read()), tried(lambda: open('/etc/shadow').read()),"
        f" tried(lambda: open({str(tmp_path / 'secret')!r}).read()), tried(lambda: open('/model/link').read()),"
        f" tried(lambda: os.listdir({str(Path.home())!r})), tried(lambda: os.listdir('/home'))]",
    )
    assert "s3cret" not in seen
    assert "root:" not in seen
    # Where Python itself lives below the home directory, that one folder shows, and nothing beside it.
    beside = [p.name for p in Path.home().iterdir() if p.name != ".pyenv" and f"'{p.name}'" in seen]
    assert beside == [] or str(Path.home()) == "/"


def test_nothing_outside_can_be_written(build):
    seen = probe(
        build,
        "[tried(lambda: open('/model/x', 'w')), tried(lambda: open('/packages/x', 'w')),"
        " tried(lambda: open('/x', 'w')),"
        " tried(lambda: open('/dev/shm/x', 'w')), tried(lambda: os.remove('/dumper.py')),"
        " tried(lambda: os.chmod('/usr', 0))]",
    )
    assert seen.count("OSError") + seen.count("PermissionError") == 6


def test_the_network_is_out_of_reach(build):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = probe(
            build,
            f"[tried(lambda: socket.create_connection(('127.0.0.1', {port}), 1)),"
            " tried(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),"
            " tried(lambda: socket.socket(socket.AF_UNIX)), tried(lambda: socket.getaddrinfo('localhost', 80))]",
        )
    assert seen.count("PermissionError") == 3
    assert "gaierror" in seen


def test_no_process_and_no_thread_can_be_started(build):
    seen = probe(
        build,
        "[tried(os.fork), tried(lambda: threading.Thread(target=print).start()),"
        " tried(lambda: __import__('subprocess').run(['/bin/true']))]",
    )
    assert seen.count("PermissionError") == 2
    assert "RuntimeError" in seen


def test_other_processes_and_the_environment_are_not_seen(build, monkeypatch):
    monkeypatch.setenv("SECDL_TEST_TOKEN", "s3cret")
    seen = probe(
        build,
        "[sorted(os.environ), [p for p in os.listdir('/proc') if p.isdigit()], os.listdir('/proc/self/fd')]",
    )
    environment, processes, files = ast.literal_eval(seen)
    assert environment == ["HOME", "LANG", "PWD"]
    assert processes == ["1"]
    assert len(files) == 5, "three standard ones, the dump, and the listing's own"


def test_hostile_names_come_out_harmless(build):
    model = build(GOOD.replace('"Device"', r'"\x1b[31m<script>alert(1)</script>\n\u202e\ud800evil"'))
    name = model.elements[1].name
    assert not set(name) & set("\x1b\n\u202e\ud800")
    assert "<script>" in name, "escaping is for those who draw"


def test_a_sandbox_that_does_not_come_up_is_not_measured(pytm, model_file):
    with pytest.raises(ToolFailed, match="could not make a sandbox"):
        run_model(model_file(GOOD), None, pytm, bwrap="/bin/false", timeout_s=60)
    with pytest.raises(ToolFailed, match="/no/bwrap"):
        run_model(model_file(GOOD), None, pytm, bwrap="/no/bwrap", timeout_s=60)


def test_a_python_without_pytm_is_not_measured(tmp_path):
    with pytest.raises(ToolFailed, match="secdl tools install pytm"):
        interpreter(str(tmp_path / "python"))


def test_the_filter_refuses_the_calls_it_names():
    program = sandbox._seccomp()
    assert len(program) % 8 == 0
    assert len(program) // 8 == 7 + len(sandbox._REFUSED)


def test_a_python_that_lives_below_tmp_is_seen(programs, pytm, model_file):
    model = model_file(GOOD)
    argv = sandbox._argv(model, None, replace(pytm, prefix="/tmp/python"), bwrap="/bwrap", dump_fd=3, seccomp_fd=4)
    assert argv.index("/tmp") < argv.index("/tmp/python")
