"""Files that are not Parquet: complete or absent, in a folder and in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdp_dagster.lake import Lake, LakeError

from .places import Place


def test_a_file_is_there_when_it_is_complete(place: Place) -> None:
    landing = place.lake.landing("shop/orders/run")
    file = landing.new_file("a.jsonl.gz")
    file.content.write(b"half")
    assert list(place.lake.files("shop", ".gz")) == []
    file.discard()
    assert place.names() == []

    file = landing.new_file("a.jsonl.gz")
    file.content.write(b"whole")
    file.finish("b.jsonl.gz")
    file.discard()
    landing.write("c.json", b"{}")
    assert list(place.lake.files("shop", ".gz")) == ["shop/orders/run/b.jsonl.gz"]
    assert list(place.lake.files()) == [], "a rebuild reads only Parquet"
    with landing.open("b.jsonl.gz") as opened:
        assert opened.read() == b"whole"


def test_a_file_that_is_missing_has_a_message_with_its_place(place: Place) -> None:
    with pytest.raises(LakeError, match=r"/shop/run/missing\.gz can't be read: .* → "):
        place.lake.landing("shop/run").open("missing.gz")


def test_a_folder_that_can_not_be_written_has_a_message_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("a file in the place of the folder")
    landing = Lake(str(tmp_path)).landing("shop/run")
    with pytest.raises(LakeError, match=r"/shop/run can't be written: .* → free space there, or point MDP_LAKE_URI"):
        landing.write("a.json", b"{}")
