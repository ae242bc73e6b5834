"""What `kafka`, `registry` and `with-kafka` share: the cache, Java, ports, processes."""
import contextlib
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def cache_dir():
    """Where downloads are kept: $SERVICES_CACHE, else below the user's cache folder."""
    base = os.environ.get("SERVICES_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "materialize-kafka-services")
    os.makedirs(base, exist_ok=True)
    return base


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def fail(text):
    say("error:", text)
    raise SystemExit(1)


def leave_on_sigterm():
    """So that whoever is told to stop half-way still cleans up after itself."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def run(argv, what, **kw):
    try:
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, **kw)
    except FileNotFoundError:
        fail("%s: there is no program `%s`; tests/services/install installs what is missing" % (what, argv[0]))
    if r.returncode != 0:
        fail("%s failed (%d): %s\n%s" % (what, r.returncode, " ".join(argv[:6]), r.stdout[-3000:]))
    return r.stdout


# ------------------------------------------------------------------ the cache

@contextlib.contextmanager
def lock(name):
    """One installer at a time, across processes."""
    with open(os.path.join(cache_dir(), "." + name + ".lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def install(name, fill):
    """A folder in the cache, filled once by fill(tmp folder); never seen half full."""
    final = os.path.join(cache_dir(), name)
    if os.path.isdir(final):
        return final
    with lock(name):
        if os.path.isdir(final):
            return final
        say("installing %s (first time only) ..." % name)
        begin = time.monotonic()
        tmp = tempfile.mkdtemp(prefix="." + name + ".", dir=cache_dir())
        try:
            retry(lambda: fill(tmp), tmp)
            os.rename(tmp, final)
        except BaseException:
            shutil.rmtree(tmp, ignore_errors=True)
            raise
        say("installed %s in %.1f s" % (name, time.monotonic() - begin))
    return final


def retry(fill, tmp, times=3):
    """Downloads fail now and then; each try begins with an empty folder."""
    for attempt in range(1, times + 1):
        try:
            return fill()
        except SystemExit:
            if attempt == times:
                raise
            say("try %d of %d failed, once more in %d s" % (attempt, times, 5 * attempt))
            time.sleep(5 * attempt)
            shutil.rmtree(tmp)
            os.mkdir(tmp)


# ----------------------------------------------------------------------- Java

def java(at_least):
    """($JAVA_HOME's or the PATH's java, or None when its version is below `at_least`; what was found)."""
    home = os.environ.get("JAVA_HOME")
    program = os.path.join(home, "bin", "java") if home else "java"
    try:
        text = subprocess.run([program, "-version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60).stdout
    except OSError:
        return None, "no program `%s`" % program
    found = re.search(r'version "(\d+)', text)  # "1.8.0_402" reads as 1, which is below whatever is asked
    if found and int(found.group(1)) >= at_least:
        return program, text
    return None, "`%s -version` says: %s" % (program, text.strip().splitlines()[0] if text.strip() else "nothing")


# ---------------------------------------------------------------------- ports

def port_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def claim_ports(count):
    """The first of `count` neighbouring free ports, below the range that outgoing connections
    draw from (32768 up), so that no client takes one before we do; and an open file whose lock
    keeps other claims off. The file is handed on to the server (`spawn`) and so falls free with it."""
    for _ in range(500):
        base = random.randrange(20000, 32000, 50)
        claim = open(os.path.join(cache_dir(), ".port-%d.lock" % base), "a")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.close()
            continue
        if all(port_free(base + i) for i in range(count)):
            return base, claim
        claim.close()
    fail("no %d neighbouring free ports found between 20000 and 32000" % count)


# ------------------------------------------------------------------ processes
# A process is known by pid and start time: a pid alone may be someone else's by now.

def start_time(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def spawn(argv, log, pid_file, claim=None, env=None, cwd=None):
    keep = [claim.fileno()] if claim else []
    with open(log, "ab") as out:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                             start_new_session=True, env=env, cwd=cwd, pass_fds=keep)
    with open(pid_file, "w") as f:
        f.write("%d %s\n" % (p.pid, start_time(p.pid)))


def living(pid_file):
    """The pid, if that very process still runs."""
    try:
        with open(pid_file) as f:
            pid, born = f.read().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == born else None


def end(pid_file):
    """SIGKILL: the clusters are throw-away, and an orderly end of three nodes takes 7 s."""
    pid = living(pid_file)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        while living(pid_file):
            time.sleep(0.02)
    return pid


def tail(path, lines=40):
    try:
        with open(path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError as e:
        return str(e)
