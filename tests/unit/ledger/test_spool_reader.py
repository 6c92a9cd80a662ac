"""The reader uses every whole line once and nothing else, whatever happened to the files."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from passerelle.domain.ledger import Ended
from passerelle.ledger.spool import Spool
from passerelle.ledger.spool_lines import HEADER, Event, decode, encode
from passerelle.ledger.spool_reader import Reader, Settled
from tests.unit.ledger.events import began, ended


def write(folder: Path, *segments: bytes) -> Path:
    """A dead process's folder with these segments."""
    folder.mkdir()
    (folder / "lock").touch()
    for number, content in enumerate(segments, 1):
        (folder / f"{number:08}.spool").write_bytes(content)
    return folder


def segment(*events: Event) -> bytes:
    return HEADER + b"".join(encode(event) for event in events)


def settle(reader: Reader, most: int = 1000) -> list[tuple[str, bool]]:
    """Everything it settles: the try's id, and whether its end is known."""
    found: list[Settled] = []
    while settled := reader.read(most):
        found += settled
        reader.written(len(settled))
    reader.written(0)
    return [(each.attempt_id.decode(), each.ended is not None) for each in found]


def pairs(*numbers: int) -> list[Event]:
    return [event for number in numbers for event in (began(number), ended(number))]


def expected(content: bytes) -> list[tuple[str, bool]]:
    """What a plain reading of the whole lines gives."""
    if not content.startswith(HEADER):
        return []
    whole = content.removeprefix(HEADER).split(b"\n")[:-1]
    events = [event for event in map(decode, whole) if event]
    over = [event.attempt_id for event in events if isinstance(event, Ended)]
    begun = dict.fromkeys(event.attempt_id for event in events if not isinstance(event, Ended))
    return [(name, True) for name in over] + [(name, False) for name in begun if name not in over]


_CONTENT = segment(began(1), began(2), ended(2), began(3), ended(1), began(4), ended(4))


@settings(max_examples=300)
@given(st.integers(0, len(_CONTENT)))
def test_at_any_cut_the_whole_lines_before_it_are_read_and_nothing_else(cut: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder = write(root / "1-a", _CONTENT[:cut])
        reader = Reader(folder, live=False)
        with capture_logs() as logs:
            assert settle(reader) == expected(_CONTENT[:cut])
            assert reader.remove()
        torn = _CONTENT[:cut].rpartition(b"\n")[2] if cut > len(HEADER) else b""
        aside = root / "1-a-00000001.damaged"
        assert (aside.read_bytes() if aside.exists() else b"") == torn
        assert len(logs) == bool(torn)
        assert not folder.exists()


@settings(max_examples=200)
@given(st.integers(len(HEADER), len(_CONTENT) - 1), st.integers(1, 255))
def test_a_byte_that_changed_costs_the_lines_it_is_in_and_no_other(at: int, change: int) -> None:
    content = bytearray(_CONTENT)
    content[at] ^= change
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        reader = Reader(write(root / "1-a", bytes(content)), live=False)

        assert settle(reader) == expected(bytes(content))
        damaged = (root / "1-a-00000001.damaged").read_bytes()
        assert damaged in bytes(content)
        assert len(damaged) < 1500


@settings(max_examples=100)
@given(st.randoms(use_true_random=False), st.integers(1, 7))
def test_reading_while_it_is_written_gives_each_try_once_and_leaves_no_segment(
    chance: random.Random, most: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as place,
        # Also where an example ends early: its thread would tell of a folder that is gone, in another test.
        contextlib.closing(Spool(Path(place), segment_bytes=3000, sync_seconds=60)) as spool,
    ):
        reader = Reader(spool.folder, live=True)
        begun: list[int] = []
        running: list[int] = []
        seen: list[tuple[str, bool]] = []
        for number in range(60):
            spool.begin(began(number))
            begun.append(number)
            running.append(number)
            while running and chance.random() < 0.6:
                spool.end(ended(running.pop(chance.randrange(len(running)))))
            if chance.random() < 0.3:
                seen += settle(reader, most)
        spool.close()
        assert all(known for _, known in seen)
        reader.live = False
        seen += settle(reader, most)

        assert sorted(name for name, _ in seen) == [f"att_{number:08}" for number in begun]
        assert {name for name, known in seen if not known} == {f"att_{number:08}" for number in running}
        assert reader.remove()


def test_what_was_not_written_elsewhere_is_read_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "1-a", segment(*pairs(1, 2, 3)))
    reader = Reader(folder, live=False)
    first = reader.read(2)

    assert [each.attempt_id for each in reader.read(2)] == [each.attempt_id for each in first]
    reader.written(1)
    assert [each.attempt_id for each in reader.read(2)] == [b"att_00000002", b"att_00000003"]
    assert settle(Reader(folder, live=False)) == [(f"att_{number:08}", True) for number in (1, 2, 3)]


def test_a_segment_goes_when_all_its_tries_are_written_and_not_before(tmp_path: Path) -> None:
    first, second = segment(began(1), *pairs(2)), segment(ended(1), *pairs(3))
    folder = write(tmp_path / "1-a", first, second, segment())
    gone: list[int] = []
    reader = Reader(folder, live=True, gone=gone.append)
    assert len(reader.read(10)) == 3

    reader.written(1)
    assert gone == []
    reader.written(1)
    assert gone == [len(first)]
    assert [file.name for file in sorted(folder.glob("*.spool"))] == ["00000002.spool", "00000003.spool"]
    reader.written(1)
    assert gone == [len(first), len(second)]


def test_a_line_still_being_written_is_waited_for(tmp_path: Path) -> None:
    line = encode(ended(1))
    folder = write(tmp_path / "1-a", segment(began(1)) + line[:50])
    reader = Reader(folder, live=True)
    assert settle(reader) == []

    with (folder / "00000001.spool").open("ab") as file:
        file.write(line[50:])
    assert settle(reader) == [("att_00000001", True)]


def test_a_file_just_being_made_is_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "1-a", HEADER[:5])
    reader = Reader(folder, live=True)
    assert settle(reader) == []

    (folder / "00000001.spool").write_bytes(segment(*pairs(1)))
    assert settle(reader) == [("att_00000001", True)]


def test_an_end_whose_beginning_is_damaged_is_used(tmp_path: Path) -> None:
    line = encode(began(1)).replace(b"client-a", b"client-b")
    reader = Reader(write(tmp_path / "1-a", HEADER + line + encode(ended(1))), live=False)
    settled = reader.read(10)

    assert settled[0].began is None
    assert decode(settled[0].ended or b"") == ended(1)
    reader.written(1)
    assert (tmp_path / "1-a-00000001.damaged").read_bytes() == line


def test_a_line_longer_than_a_block_is_read(tmp_path: Path) -> None:
    long = began(1, model="m" * 300_000)
    reader = Reader(write(tmp_path / "1-a", segment(long, ended(1), *pairs(2))), live=False)

    assert [decode(each.began or b"") for each in reader.read(10)] == [long, began(2)]


def read_with_logs(folder: Path) -> tuple[list[tuple[str, bool]], bool, Sequence[str]]:
    with capture_logs() as logs:
        reader = Reader(folder, live=False)
        found = settle(reader) + settle(reader)
        return found, reader.remove(), [entry["event"] for entry in logs]


def test_only_a_whole_try_in_the_usual_form_is_plain(tmp_path: Path) -> None:
    odd = began(2, model='the "model"')
    content = segment(*pairs(1), odd, ended(2), ended(3), began(4), ended(4, upstream_id="\0"), began(5))
    reader = Reader(write(tmp_path / "1-a", content), live=False)

    assert [(each.attempt_id[-1:], each.plain) for each in reader.read(10)] == [
        (b"1", True), (b"2", False), (b"3", False), (b"4", False), (b"5", False),
    ]  # fmt: skip


def test_a_line_set_aside_is_kept_when_its_segment_goes(tmp_path: Path) -> None:
    reader = Reader(write(tmp_path / "1-a", segment(*pairs(1))), live=False)
    (settled,) = reader.read(10)
    reader.set_aside(settled.segments[0], settled.began or b"")
    reader.written(1)

    assert (tmp_path / "1-a-00000001.damaged").read_bytes() == encode(began(1))


def test_a_foreign_segment_is_kept_aside_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "1-a", b"PNG\n\x00\x01", segment(*pairs(1)))

    assert read_with_logs(folder) == ([("att_00000001", True)], True, ["spool_damaged"])
    assert (tmp_path / "1-a-00000001.damaged").read_bytes() == b"PNG\n\x00\x01"


def test_a_newer_programs_segment_stays_where_that_program_finds_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "1-a", b"passerelle-spool 2\nwhatever", segment(began(2), *pairs(1)))

    found, removed, said = read_with_logs(folder)
    assert found == [("att_00000001", True)]
    assert not removed
    assert said == ["spool_of_another_version", "spool_folder_stays"]
    assert (folder / "00000001.spool").read_bytes() == b"passerelle-spool 2\nwhatever"
    # It may hold the end of what began here.
    assert (folder / "00000002.spool").exists()


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "1-a", segment(*pairs(1)))
    (folder / "notes.txt").write_text("mine")
    (folder / "x.spool").write_text("mine")

    assert read_with_logs(folder) == ([("att_00000001", True)], False, ["spool_folder_stays"])
    assert sorted(file.name for file in folder.iterdir()) == ["lock", "notes.txt", "x.spool"]
