"""The configuration in force follows its file, and nothing bad ever replaces something good."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from passerelle.domain.catalog import Catalog
from passerelle.domain.errors import CannotRun, Finding
from passerelle.routing.live import Live, read_text
from passerelle.routing.load import Loaded
from tests.unit.routing.files import HF_TOKEN, SMALL, WHOLE, changed, loaded

_POLL = 0.01


class _Watched:
    """A live configuration over a file, and what its listeners heard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: list[str] = []
        self.swapped: list[Catalog] = []
        self.refused: list[tuple[Finding, ...]] = []
        first = loaded(path.read_text(encoding="utf-8")).catalog
        assert first is not None
        self.live = Live(path, self._load, first)
        self.live.on_swap.append(self.swapped.append)
        self.live.on_refused.append(self.refused.append)

    def _load(self, text: str) -> Loaded:
        self.read.append(text)
        return loaded(text)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for as long as the block runs; a watch that ends by itself fails the test."""
        task = asyncio.create_task(self.live.watch(_POLL))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(_POLL)


def _tenants(watched: _Watched) -> list[str]:
    return list(watched.live.catalog.tenants)


_OTHER = SMALL.replace("demo:", "other:")
_THIRD = SMALL.replace("demo:", "third:")
_BAD = SMALL.replace("kind: builtin", "kind: bultin")


@pytest.fixture
def watched(tmp_path: Path) -> _Watched:
    path = tmp_path / "providers.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return _Watched(path)


def test_a_good_file_is_put_in_force(watched: _Watched) -> None:
    watched.path.write_text(_OTHER)

    outcome = watched.live.reload()

    assert outcome.catalog is watched.live.catalog
    assert _tenants(watched) == ["other"]
    assert watched.swapped == [watched.live.catalog]
    assert watched.live.refused == ()


def test_a_bad_file_keeps_the_last_good_one_and_is_told_once(watched: _Watched) -> None:
    before = watched.live.catalog
    watched.path.write_text(_BAD)

    outcome = watched.live.reload()
    watched.live.reload()

    assert outcome.catalog is None
    assert watched.live.catalog is before
    assert [finding.rule for finding in watched.live.refused] == ["C05"]
    assert watched.refused == [outcome.errors]
    assert watched.swapped == []


def test_a_repaired_file_clears_what_was_refused(watched: _Watched) -> None:
    watched.path.write_text(_BAD)
    watched.live.reload()
    watched.path.write_text(_OTHER)
    watched.live.reload()

    assert watched.live.refused == ()
    assert _tenants(watched) == ["other"]


@pytest.mark.parametrize("content", [None, b"version: 1 # \xff\xfe\n", b""])
def test_a_file_that_cannot_be_read_keeps_the_last_good_one(watched: _Watched, content: bytes | None) -> None:
    watched.path.unlink() if content is None else watched.path.write_bytes(content)

    outcome = watched.live.reload()

    assert outcome.catalog is None
    assert _tenants(watched) == ["demo"]
    assert outcome.errors[0].cure


def test_reading_tells_what_keeps_the_file_from_being_read(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="no such file"):
        read_text(tmp_path / "none.yaml")
    with pytest.raises(CannotRun, match="directory"):
        read_text(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("opérateur".encode("latin-1"))
    with pytest.raises(CannotRun, match="UTF-8"):
        read_text(tmp_path / "latin.yaml")


async def test_an_edit_is_noticed(watched: _Watched) -> None:
    async with watched.watching():
        watched.path.write_text(_OTHER)
        await _until(lambda: _tenants(watched) == ["other"])
        watched.path.write_text(_THIRD)
        await _until(lambda: _tenants(watched) == ["third"])


async def test_an_edit_of_the_same_length_and_time_is_noticed(watched: _Watched) -> None:
    async with watched.watching():
        await _until(lambda: _tenants(watched) == ["demo"])
        state = watched.path.stat()
        replacement = watched.path.with_suffix(".new")
        replacement.write_text(SMALL.replace("demo:", "omed:"))
        os.utime(replacement, ns=(state.st_atime_ns, state.st_mtime_ns))
        replacement.rename(watched.path)
        await _until(lambda: _tenants(watched) == ["omed"])


async def test_a_file_that_an_editor_replaces_is_noticed_each_time(watched: _Watched) -> None:
    async with watched.watching():
        for text, tenant in ((_OTHER, "other"), (_THIRD, "third")):
            replacement = watched.path.with_suffix(".swp")
            replacement.write_text(text)
            replacement.rename(watched.path)
            await _until(lambda tenant=tenant: _tenants(watched) == [tenant])  # type: ignore[misc]


async def test_the_swapped_link_of_a_mounted_volume_is_noticed(tmp_path: Path) -> None:
    for name, text in (("..1", SMALL), ("..2", _OTHER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "providers.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "providers.yaml").symlink_to("..data/providers.yaml")
    watched = _Watched(tmp_path / "providers.yaml")

    async with watched.watching():
        await _until(lambda: _tenants(watched) == ["demo"])
        (tmp_path / "..next").symlink_to("..2")
        (tmp_path / "..next").rename(tmp_path / "..data")
        await _until(lambda: _tenants(watched) == ["other"])


async def test_a_file_that_is_away_for_a_while_changes_nothing_until_it_is_back(watched: _Watched) -> None:
    async with watched.watching():
        watched.path.unlink()
        await _until(lambda: watched.live.refused != ())
        assert _tenants(watched) == ["demo"]
        watched.path.write_text(_OTHER)
        await _until(lambda: _tenants(watched) == ["other"])
    assert watched.live.refused == ()


async def test_a_bad_edit_is_refused_and_the_next_good_one_taken(watched: _Watched) -> None:
    async with watched.watching():
        watched.path.write_text(_BAD)
        await _until(lambda: watched.live.refused != ())
        assert _tenants(watched) == ["demo"]
        watched.path.write_text(_OTHER)
        await _until(lambda: _tenants(watched) == ["other"])


async def test_a_changed_secret_file_gives_a_new_catalog_for_the_same_text(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(HF_TOKEN)
    path = tmp_path / "providers.yaml"
    path.write_text(changed("env:HF_TOKEN", f"file:{secret}"))
    watched = _Watched(path)
    before = watched.live.catalog

    async with watched.watching():
        secret.write_text("hf_rotated-token")
        await _until(lambda: watched.live.catalog is not before)

    after = watched.live.catalog
    assert after.version == before.version
    assert after.backends["hub"] != before.backends["hub"]
    assert after.backends["hub"].secrets == {"token": "hf_rotated-token"}
    assert after.backends["gpu"] == before.backends["gpu"]


async def test_a_secret_file_that_an_edit_names_is_watched_from_then_on(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    path = tmp_path / "providers.yaml"
    path.write_text(WHOLE)
    watched = _Watched(path)

    async with watched.watching():
        path.write_text(changed("env:HF_TOKEN", f"file:{secret}"))
        await _until(lambda: watched.live.catalog.backends["hub"].off is not None)
        secret.write_text(HF_TOKEN)
        await _until(lambda: watched.live.catalog.backends["hub"].off is None)


async def test_a_secret_that_a_refused_file_waits_for_puts_it_in_force(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    path = tmp_path / "providers.yaml"
    path.write_text(WHOLE)
    watched = _Watched(path)

    async with watched.watching():
        path.write_text(changed("env:HF_TOKEN", f"file:{secret}, required: true"))
        await _until(lambda: watched.live.refused != ())
        assert "cannot be read" in watched.live.refused[0].message
        secret.write_text(HF_TOKEN)
        await _until(lambda: watched.live.catalog.backends["hub"].options.required)

    assert watched.live.refused == ()


async def test_an_edit_between_the_first_reading_and_the_watch_is_not_missed(watched: _Watched) -> None:
    watched.path.write_text(_OTHER)

    async with watched.watching():
        await _until(lambda: _tenants(watched) == ["other"])


async def test_a_file_still_being_written_is_not_read(watched: _Watched) -> None:
    """The writer goes on for twenty looks; whoever read before two looks were equal would see a half."""
    whole = _OTHER + "# end\n" * 20

    async with watched.watching():
        await _until(lambda: len(watched.read) >= 1)  # the look at the start
        watched.read.clear()
        stamps: list[int] = []
        original = Path.stat

        def growing(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
            # Each look at the file finds it a piece longer than the one before.
            if path == watched.path and len(stamps) <= 20:
                with path.open("w" if not stamps else "a") as file:
                    file.write(_OTHER if not stamps else "# end\n")
                stamps.append(1)
            return original(path, follow_symlinks=follow_symlinks)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "stat", growing)
            await _until(lambda: _tenants(watched) == ["other"])

    assert set(watched.read) == {whole}


async def test_a_file_that_nobody_touches_is_not_read_again(watched: _Watched) -> None:
    looks: list[int] = []
    original = Path.stat

    def counted(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == watched.path:
            looks.append(1)
        return original(path, follow_symlinks=follow_symlinks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "stat", counted)
        async with watched.watching():
            await _until(lambda: len(looks) > 10)

    assert len(watched.read) <= 1
    assert watched.swapped == []


def test_a_catalog_that_a_listener_cannot_take_is_refused(watched: _Watched) -> None:
    before = watched.live.catalog

    def unable(catalog: Catalog) -> None:
        raise CannotRun("The backend 'offline' cannot be opened.", "Look at its folder.")

    watched.live.on_swap.insert(0, unable)
    watched.path.write_text(_OTHER)
    outcome = watched.live.reload()

    assert outcome.catalog is None
    assert watched.live.catalog is before
    assert watched.refused == [outcome.errors]
    assert "cannot be opened" in outcome.errors[0].message


async def test_a_touched_file_of_the_same_content_swaps_nothing(watched: _Watched) -> None:
    async with watched.watching():
        await _until(lambda: bool(watched.read))
        watched.read.clear()
        os.utime(watched.path)
        await _until(lambda: bool(watched.read))
        watched.path.write_text(_OTHER)
        await _until(lambda: _tenants(watched) == ["other"])

    assert len(watched.swapped) == 1
