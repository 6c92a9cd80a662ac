"""The folder with evaluation data."""

from __future__ import annotations

from pathlib import Path

from passerelle.domain.errors import CannotRun


def files_of(folder: Path) -> list[Path]:
    """Its files by name. Raises CannotRun where it cannot be read."""
    try:
        return sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise CannotRun(
            f"The folder {folder} cannot be read: {error.strerror or type(error).__name__}.",
            "Give --data a folder with evaluation data.",
        ) from error
