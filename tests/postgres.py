"""A PostgreSQL server of the tests' own, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "secret-of-the-tests"


def programs() -> Path | None:
    """Folder of the server's programs, None if there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return folders[-1].parent if folders else None


def missing() -> str | None:
    """Why no server can be started, None if one can."""
    if programs() is None:
        return "PostgreSQL is not installed: no initdb on the path or in /usr/lib/postgresql"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres to run it as"
    return None


def _other_user() -> str | None:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


@contextmanager
def serving() -> Iterator[int]:
    """A server on a free port of this machine, which is the value; its user 'me' has the password."""
    with tempfile.TemporaryDirectory(prefix="postgres_") as folder, _started(Path(folder)) as port:
        yield port


@contextmanager
def _started(folder: Path) -> Iterator[int]:
    home = programs()
    assert home is not None
    user = _other_user() if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run([home / program, *arguments], user=user, cwd=folder, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()

    data = str(folder / "data")
    call("initdb", "-D", data, "-U", "me", "-A", "scram-sha-256", "--pwfile", str(secret), "--no-sync", "-E", "UTF8")
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    call("pg_ctl", "-D", data, "-l", str(folder / "log"), "-w", "-o", settings, "start")
    try:
        yield port
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
