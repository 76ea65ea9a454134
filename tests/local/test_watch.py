"""Edits are seen, also those from before the watch began."""

import asyncio
from pathlib import Path

from signalbox.local.watch import changes, fingerprint

SECONDS = 30.0


async def next_change(told: object) -> None:
    async with asyncio.timeout(SECONDS):
        await anext(told)  # type: ignore[call-overload]


async def test_an_edit_from_before_the_watch_began(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a")
    read = fingerprint(tmp_path)
    file.write_text("ab")
    await next_change(changes(tmp_path, read))


async def test_edits_new_files_and_files_that_go(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a")
    told = changes(tmp_path, ())
    await next_change(told)
    for edit in (lambda: file.write_text("b"), (tmp_path / "b.yaml").touch, file.unlink):
        edit()
        await next_change(told)


async def test_a_file_that_is_replaced_by_renaming(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a")
    told = changes(file, fingerprint(file))
    waiting = asyncio.create_task(next_change(told))
    (tmp_path / "new").write_text("b")
    (tmp_path / "new").rename(file)
    await waiting


def test_a_directory_that_is_gone_has_no_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "gone") == ()
