"""The door to other programs: what gets in, what gets out, and what is left behind."""

import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from bot.domain.check import Result
from bot.errors import Unusable
from bot.isolation import (
    KIB,
    MIB,
    Limits,
    OutputTooLarge,
    Process,
    Sandbox,
    Tier,
    ToolFailed,
    ToolMissing,
    ToolTimedOut,
    best_tier,
    find,
    probe,
    run,
)
from bot.isolation.run import Command, sandboxed

PYTHON = os.path.realpath(sys.executable)
READABLE = (Path(sys.base_prefix), Path(sys.base_exec_prefix))
TIERS = [t for t in Tier if t <= best_tier()]
CONFINED = [t for t in TIERS if t > Tier.BASIC]


def python(code, *args, tier, env=None, cwd=None, readable=(), scratch=64 * MIB, **limits):
    """Run Python code as a stranger's tool in this tier; None means without a sandbox."""
    argv = [PYTHON, "-I", "-S", "-c", code, *args]
    if tier is None:
        return run(argv, env=env, cwd=cwd, limits=Limits(**limits))
    command = Command(argv, env or {}, cwd, b"", Limits(**limits))
    return sandboxed(command, Sandbox((*READABLE, *readable), scratch=scratch), tier)


def alive(marker: str) -> bool:
    """Whether a process has this word among its arguments."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in process.read_bytes() and process.parent.name != str(os.getpid()):
                return True
        except OSError:
            continue
    return False


def gone(marker: str) -> bool:
    deadline = time.monotonic() + 5
    while alive(marker) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(marker)


@pytest.mark.parametrize("tier", [None, *TIERS])
def test_output_exit_code_and_signal_come_back(tier):
    """Both streams, any code, and death by signal."""
    done = python("import sys; print('o'); print('e', file=sys.stderr); sys.exit(7)", tier=tier)
    assert (done.code, done.stdout, done.stderr) == (7, b"o\n", b"e\n")
    assert 0 < done.seconds < 30
    killed = python("import os, resource; os.kill(os.getpid(), 9)", tier=tier)
    assert killed.code == -9 or tier is Tier.NAMESPACES  # process 1 may not kill itself
    assert python("import sys; sys.exit(125)", tier=tier).code == 125


def test_standard_input_of_any_size_arrives():
    """More than any pipe holds, in both directions at once."""
    data = os.urandom(3 * MIB)
    assert run([str(find("cat"))], stdin=data).stdout == data
    assert run([str(find("true"))], stdin=data).code == 0


@pytest.mark.parametrize("tier", TIERS)
def test_t50_the_environment_is_exactly_what_was_given(tier, monkeypatch):
    """Nothing of ours, only what was given and the private directories."""
    for name in ("HELM_PLUGINS", "KUBECONFIG", "TF_VAR_x", "GIT_DIR", "SECRET", "PYTHONPATH"):
        monkeypatch.setenv(name, "from-the-bot")
    argv = [str(find("env")), "-0"]
    command = Command(argv, {"GIVEN": "1"}, None, b"", Limits())
    done = sandboxed(command, Sandbox(), tier)
    found = dict(row.split("=", 1) for row in done.stdout.decode().split("\0") if row)
    private = {
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    }
    assert set(found) == {"GIVEN", *private}
    assert found["GIVEN"] == "1"
    homes = {str(Path(found[name]).parent) for name in private}
    assert len(homes) == 1
    assert not Path(homes.pop()).exists()


def test_t50_a_trusted_program_gets_no_more(monkeypatch):
    """Without a sandbox too: what is given and nothing else."""
    monkeypatch.setenv("SECRET", "from-the-bot")
    assert run([str(find("env"))], env={"A": "1"}).stdout == b"A=1\n"
    assert run([str(find("env"))]).stdout == b""


@pytest.mark.parametrize("tier", [None, *TIERS])
def test_descriptors_are_not_inherited(tier, tmp_path):
    """An open, inheritable file of ours is closed in the tool."""
    with (tmp_path / "secret").open("w+b") as file:
        os.set_inheritable(file.fileno(), True)
        code = "import os, sys\ntry: os.fstat(int(sys.argv[1])); print('open')\nexcept OSError: print('closed')"
        number = os.dup2(file.fileno(), 77, inheritable=True)
        try:
            assert python(code, "77", tier=tier).stdout == b"closed\n"
        finally:
            os.close(number)


@pytest.mark.parametrize("tier", CONFINED)
def test_t52_the_parent_and_its_files_cannot_be_read(tier, tmp_path):
    """Our environment, a file of ours and the keys of the machine stay unread."""
    canary = tmp_path / "canary"
    canary.write_text("secret")
    code = (
        "import sys\nfor path in sys.argv[1:]:\n"
        "    try: print(path, len(open(path, 'rb').read()))\n"
        "    except OSError: pass\n"
    )
    paths = [f"/proc/{os.getpid()}/environ", f"/proc/{os.getppid()}/environ", "/proc/1/environ",
             str(canary), "/etc/passwd", "/etc/shadow", "/proc/self/mem", "/dev/sda"]  # fmt: skip
    assert python(code, *paths, tier=tier).stdout == b""


UNDUMPABLE = """
import ctypes, os
from bot.isolation import undumpable
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # a change of user hides a process already
def readable():
    child = os.fork()
    if child == 0:
        try: open(f"/proc/{os.getppid()}/environ").read()
        except OSError: os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
before = readable()
undumpable()
print(before, readable())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is of Linux")
def test_t52_an_undumpable_process_hides_its_environment():
    """A child of the same user reads it before, and not after."""
    here = str(Path(__file__).parent.parent)
    done = run([sys.executable, "-c", UNDUMPABLE], env={"PYTHONPATH": here, "SECRET": "x"})
    assert done.stdout == b"True False\n", done.stderr


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        time.sleep(30)
    os._exit(0)
os.wait()
print("left", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.skipif(Tier.NAMESPACES not in TIERS, reason="needs user namespaces")
@pytest.mark.parametrize("lingers", ["0", "30"])
def test_t53_a_daemon_dies_with_its_tool(lingers):
    """Whether the tool ends by itself or is killed for its time: nothing is left."""
    marker = f"marker-{os.urandom(6).hex()}"
    if lingers == "0":
        assert python(DAEMON, marker, lingers, tier=Tier.NAMESPACES).stdout == b"left\n"
    else:
        with pytest.raises(ToolTimedOut):
            python(DAEMON, marker, lingers, tier=Tier.NAMESPACES, seconds=1.0)
    assert gone(marker)


@pytest.mark.parametrize("tier", [None, *TIERS])
def test_t53_children_that_stay_in_the_group_are_killed_in_every_tier(tier):
    """A tool that hangs, ignores TERM and forks is gone after its time."""
    code = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork(); os.fork(); time.sleep(60)"
    )
    marker = f"marker-{os.urandom(6).hex()}"
    started = time.monotonic()
    with pytest.raises(ToolTimedOut, match=r"took longer than 0\.5 s"):
        python(code, marker, tier=tier, seconds=0.5)
    assert time.monotonic() - started < 5
    assert gone(marker)


@pytest.mark.parametrize("tier", [None, *TIERS])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_t54_endless_output_is_cut_off(tier, stream):
    """Killed at the limit, without being kept in memory; one endless line is no different."""
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"
    started = time.monotonic()
    with pytest.raises(OutputTooLarge, match=f"more than 1048576 bytes to {stream}"):
        python(code, tier=tier, stdout=MIB, stderr=MIB)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("tier", TIERS)
def test_t55_there_is_no_network(tier):
    """No connection to us, no datagram, no name, in every tier: seccomp needs no privileges."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code = (
            "import socket, sys\n"
            "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):\n"
            "    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):\n"
            "        try: socket.socket(family, kind); print('made', family, kind)\n"
            "        except OSError: pass\n"
            "try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1); print('connected')\n"
            "except OSError: pass\n"
            "try: socket.getaddrinfo('example.com', 80); print('resolved')\n"
            "except OSError: pass\n"
        )
        port = str(listener.getsockname()[1])
        assert python(code, port, tier=tier).stdout == b""
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("tier", CONFINED)
def test_writing_is_possible_in_the_private_directories_only(tier, tmp_path):
    """Not even where the tool may read."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("readable")
    code = (
        "import os, sys\n"
        "print(open('f').read())\n"
        "open(os.environ['TMPDIR'] + '/x', 'w').write('1'); print('private')\n"
        "for path in (*sys.argv[1:], 'f', 'new', '/usr/new', '/new', '/etc/new'):\n"
        "    try: open(path, 'a').write('x'); print('wrote', path)\n"
        "    except OSError: pass\n"
    )
    done = python(code, str(tmp_path / "out"), tier=tier, cwd=tmp_path / "in")
    assert done.stdout == b"readable\nprivate\n", done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("tier", TIERS)
def test_limits_hold(tier):
    """Memory, CPU time, file size and open files."""
    assert python("x = bytearray(400 << 20)", tier=tier, memory=200 * MIB).code != 0
    assert python("x = bytearray(40 << 20)", tier=tier, memory=200 * MIB).code == 0
    spin = python("while True: pass", tier=tier, seconds=20.0, cpu=1)
    assert spin.code in {-9, -24}
    write = "import os; open(os.environ['TMPDIR'] + '/f', 'wb').write(b'x' * (2 << 20))"
    assert python(write, tier=tier, file=MIB).code != 0
    assert python("[open('/dev/null') for _ in range(100)]", tier=tier, files=50).code != 0


@pytest.mark.skipif(Tier.NAMESPACES not in TIERS, reason="needs user namespaces")
@pytest.mark.parametrize("size", [1 << 20, 0])
def test_t56_the_private_directories_are_limited_together(size):
    """Neither many bytes nor many empty files fill the disk of the bot."""
    code = (
        "import os\nfor n in range(9999):\n"
        f"    open(f\"{{os.environ['TMPDIR']}}/{{n}}\", 'wb').write(bytes({size}))"
    )
    done = python(code, tier=Tier.NAMESPACES, scratch=8 * MIB)
    assert done.code != 0
    assert b"No space left" in done.stderr


@pytest.mark.skipif(Tier.NAMESPACES not in TIERS, reason="needs user namespaces")
def test_the_view_holds_nothing_else():
    """The root directory has the system's programs and nothing of the machine's data."""
    view = Sandbox(minimum=Tier.NAMESPACES)
    root = run([str(find("ls")), "-A", "/"], tier=view).stdout.decode().split()
    temporary = Path(tempfile.gettempdir()).resolve()
    allowed = {"bin", "sbin", "lib", "lib32", "lib64", "usr", "etc", "dev", temporary.parts[1]}
    assert set(root) <= allowed
    assert "passwd" not in run([str(find("ls")), "-A", "/etc"], tier=view).stdout.decode()
    assert run([str(find("id")), "-u"], tier=view).stdout == b"65534\n"
    assert run([str(find("ls")), str(temporary)], tier=view).stdout.startswith(b"gitops-bot-")


def test_missing_programs_and_bad_arguments_are_clear(tmp_path):
    """The message names the program; nothing is run."""
    text = tmp_path / "text"
    text.write_text("no program")
    for tier in (None, Sandbox()):
        with pytest.raises(ToolMissing, match="nothing-here"):
            run([str(tmp_path / "nothing-here")], tier=tier)
        with pytest.raises(ToolMissing, match="could not be started"):
            run([str(text)], tier=tier)
        with pytest.raises(Unusable):
            run([str(find("true")), "a\0b"], tier=tier)
    with pytest.raises(ToolMissing, match="absolute"):
        run(["true"])
    with pytest.raises(ToolMissing, match="surely-not-installed was not found"):
        find("surely-not-installed")
    with pytest.raises(ToolMissing, match="not a program"):
        find("git", text)
    assert find("git", find("git")) == find("git")


def test_a_tier_that_is_not_there_is_refused():
    """Fail closed: no weaker sandbox than the caller asked for."""
    if best_tier() is Tier.NAMESPACES:
        assert run([str(find("true"))], tier=Sandbox(minimum=Tier.NAMESPACES)).code == 0
    else:
        with pytest.raises(Unusable, match="must run in sandbox tier namespaces"):
            run([str(find("true"))], tier=Sandbox(minimum=Tier.NAMESPACES))


def test_many_threads_start_sandboxes_at_once():
    """Nothing is shared that should not be."""
    codes = []

    def work(number: int) -> None:
        codes.append(run([str(find("echo")), str(number)], tier=Sandbox()).stdout)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == sorted(b"%d\n" % n for n in range(12))


def test_no_descriptors_and_no_files_are_left(tmp_path, monkeypatch):
    """After successes and failures the process is as it was."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(3):
        run([str(find("true"))], tier=Sandbox())
        with pytest.raises(ToolTimedOut):
            run([str(find("sleep")), "9"], limits=Limits(0.1), tier=Sandbox())
        with pytest.raises(ToolMissing):
            run(["/nothing"], tier=Sandbox())
        with pytest.raises(OutputTooLarge):
            run([str(find("yes"))], limits=Limits(stdout=KIB))
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tier", TIERS)
def test_probe_tells_what_holds(tier):
    """By trying: strong tiers hold everything that they promise."""
    found = probe(tier)
    assert found.network
    assert found.privileges
    assert found.files is (tier > Tier.BASIC)
    assert found.parent or tier is Tier.BASIC
    assert found.processes is (tier is Tier.NAMESPACES)
    results = {c.what: c.result for c in found.checks()}
    assert results["sandbox: a renderer has no network"] is Result.OK
    assert all(c.remedy for c in found.checks() if c.result is not Result.OK)


def test_process_answers_and_dies():
    """Questions and answers, then no more."""
    cat = Process([str(find("cat"))], env={})
    cat.ask(b"one\ntwo three")
    assert cat.line() == b"one"
    assert cat.exactly(9) == b"two three"
    assert cat.alive
    cat.close()
    cat.close()
    assert not cat.alive


def test_process_that_hangs_or_ends_or_babbles():
    """Each ends with its own error, and with a dead process."""
    cases = [
        ("import time; time.sleep(30)", ToolTimedOut),
        ("pass", ToolFailed),
        ("import sys\nwhile True: sys.stdout.write('x' * 9999)", OutputTooLarge),
    ]
    for code, error in cases:
        process = Process([PYTHON, "-I", "-S", "-c", code], env={}, limits=Limits(1.0))
        with pytest.raises(error):
            process.line()
        assert not process.alive
