"""One pepper for all processes of an installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from passerelle.domain.errors import CannotRun
from passerelle.settings import Settings
from passerelle.stores.database import Database
from passerelle.stores.folder import DataFolder
from passerelle.tenancy.pepper import agree, fingerprint, read_pepper

_RAW = bytes(range(1, 33))


def _settings(**given: object) -> Settings:
    return Settings(**given)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "d")
    made.open()
    return made


def test_it_is_the_folders_own_unless_one_is_given(folder: DataFolder, tmp_path: Path) -> None:
    own = read_pepper(_settings(), folder)
    file = tmp_path / "pepper"

    assert read_pepper(_settings(), folder) == own == (folder.path / "secrets" / "pepper").read_bytes()
    assert read_pepper(_settings(pepper=SecretStr(f" {_RAW.hex().upper()}\n")), folder) == _RAW
    for content in (_RAW, _RAW.hex().encode(), f"{_RAW.hex()}\n".encode()):
        file.write_bytes(content)
        assert read_pepper(_settings(pepper_file=file), folder) == _RAW


@pytest.mark.parametrize("written", ["", "not hexadecimal: secret", "abcd", "5e" * 31, "5e" * 33])
def test_what_is_no_pepper_is_refused_unquoted(folder: DataFolder, tmp_path: Path, written: str) -> None:
    file = tmp_path / "pepper"
    file.write_text(written)
    for settings in (_settings(pepper=SecretStr(written)), _settings(pepper_file=file)):
        with pytest.raises(CannotRun, match="64 hexadecimal digits") as told:
            read_pepper(settings, folder)
        assert "secret" not in str(told.value)
        assert told.value.__cause__ is None


def test_a_file_that_is_not_there_is_named(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="missing cannot be read"):
        read_pepper(_settings(pepper_file=tmp_path / "missing"), folder)


async def test_the_first_one_is_noted_and_another_one_refused(database: Database) -> None:
    await agree(database, _RAW)
    await agree(database, _RAW)

    with pytest.raises(CannotRun, match="another pepper"):
        await agree(database, bytes(32))


def test_a_fingerprint_gives_nothing_away() -> None:
    assert fingerprint(_RAW) != fingerprint(bytes(32))
    assert _RAW.hex()[:8] not in fingerprint(_RAW)
