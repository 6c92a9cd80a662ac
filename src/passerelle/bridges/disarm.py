"""GPTCache 0.1.44 without what makes it unsafe to import: it installs nothing, and reads and writes no pickle.

As it comes, `import gptcache` unpickles the file `data_map.txt` of the working directory (a default argument of
`Cache.init` makes a `MapDataManager`), and whatever needs an optional library runs `pip install` in a shell. Here its
parts are imported before the package's own first line runs, and both are replaced there. So it is import order
that counts: import this before anything imports gptcache.
"""

from __future__ import annotations

import importlib
import logging
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from passerelle.domain.errors import CannotRun

NAME = "gptcache"
CURE = "pip install 'passerelle[gptcache]'"


def disarmed() -> ModuleType:
    """GPTCache, disarmed. Raises CannotRun where it is not installed. Safe to call again."""
    package = sys.modules.get(NAME)
    if package is not None:  # imported, by us or before us: what it did then is done
        _disarm()
        return package
    spec = find_spec(NAME)
    if spec is None or spec.loader is None:
        raise CannotRun("GPTCache is not installed.", f"Install it: {CURE}")
    handlers = list(logging.getLogger().handlers)
    package = sys.modules[NAME] = module_from_spec(spec)
    try:
        package.__dict__["__version__"] = _version()  # its log asks for it before the package has said so
        _disarm()
        spec.loader.exec_module(package)
    except BaseException:
        for name in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
            del sys.modules[name]
        raise
    finally:
        root = logging.getLogger()
        for handler in [handler for handler in root.handlers if handler not in handlers]:
            root.removeHandler(handler)  # its import sets up logging for the whole process
    return package


def part(name: str) -> Any:
    """A module of GPTCache's, disarmed, by its name without the package's. Raises CannotRun, like `disarmed`."""
    disarmed()
    return importlib.import_module(f"{NAME}.{name}")


def _disarm() -> None:
    installer = importlib.import_module(f"{NAME}.utils.dependency_control")
    installer.prompt_install = _install_nothing  # type: ignore[attr-defined]
    importlib.import_module(f"{NAME}.utils").prompt_install = _install_nothing  # type: ignore[attr-defined]
    maps = importlib.import_module(f"{NAME}.manager.data_manager").MapDataManager
    maps.init = _do_nothing
    maps.flush = _do_nothing


def _install_nothing(package: str, warn: bool = False) -> None:  # noqa: FBT001, FBT002 - GPTCache's own signature
    raise ModuleNotFoundError(
        f"GPTCache wants to install {package} now. Passerelle lets nothing be installed at run time: install it "
        "beforehand, or choose another part of GPTCache."
    )


def _do_nothing(self: object) -> None:
    """In place of reading and writing a pickle: such a map lives as long as its process."""


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:  # a source tree on the path
        return "unknown"
