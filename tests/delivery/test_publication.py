"""Files that are published together: complete or not at all, also after a kill and with two publishers."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mdp_dagster.delivery import publication
from mdp_dagster.delivery.csv_files import CsvFile
from mdp_dagster.delivery.errors import DeliveryError
from mdp_dagster.delivery.places import LOCK, Place, place_of
from mdp_dagster.delivery.publication import MANIFEST, faults_of_publication, publish, read_manifest
from tests.support.emulators.google_cloud import GoogleCloud
from tests.support.limits import HANG_SECONDS

SETTING = "MDP_LOOKER_URI"
NOW = datetime(2026, 11, 28, 2, 10, tzinfo=timezone.utc)
TITLE = 'A "coat",\nwarm'
COLUMNS = ("produit", "devise", "ca_net")


def file(name: str, *amounts: str, columns: tuple[str, ...] = COLUMNS, currency: str = "EUR") -> CsvFile:
    """A file with a row for each amount."""
    values = [[TITLE] * len(amounts), [currency] * len(amounts), pa.array(map(Decimal, amounts), pa.decimal128(38, 9))]
    batch = pa.record_batch(values, names=list(columns))
    return CsvFile(name, COLUMNS, lambda _: nullcontext([batch]), "devise", ("ca_net",), {"note": "a test's"})


def night(amount: str) -> list[CsvFile]:
    return [file(name, amount, "2.5") for name in ("one", "two", "three")]


@pytest.fixture(params=["folder", "bucket"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Returns the same place as another publisher sees it."""
    if request.param == "folder":
        return lambda: place_of(str(tmp_path / "looker"), SETTING, None, HANG_SECONDS)
    cloud: GoogleCloud = request.getfixturevalue("google_cloud")
    uri = f"gs://{cloud.new_bucket()}/some/looker"
    return lambda: place_of(uri, SETTING, cloud.storage_client, HANG_SECONDS)


def contents(place: Place) -> dict[str, str]:
    """The published files by path, without the runs' own."""
    found = {}
    for path in place.paths(""):
        if not path.startswith((publication.RUNS, "_leases", LOCK)):
            with place.stream(path) as stored:
                found[path] = stored.read().decode()
    return found


def amounts(place: Place) -> list[str]:
    """The first amount of each published file."""
    return [
        list(csv.reader(io.StringIO(text, newline="")))[1][2]
        for path, text in sorted(contents(place).items())
        if path != MANIFEST
    ]


def test_each_file_is_alone_in_its_folder_and_the_manifest_describes_it(make: Callable[[], Place]) -> None:
    place = make()
    publish(night("1"), None, place, "run-1234567", NOW)  # type: ignore[arg-type]
    assert sorted(contents(place)) == [MANIFEST, "one/one.csv", "three/three.csv", "two/two.csv"]
    assert (
        contents(place)["one/one.csv"]
        == 'produit,devise,ca_net\n"A ""coat"",\nwarm",EUR,1\n"A ""coat"",\nwarm",EUR,2.5\n'
    )
    manifest = read_manifest(place)
    assert manifest is not None
    assert (manifest["run"], manifest["published_at"]) == ("run-1234567", "2026-11-28T02:10:00+00:00")
    of_one = manifest["files"]["one"]
    assert of_one["rows"] == 2
    assert of_one["bytes"] == len(contents(place)["one/one.csv"].encode())
    assert of_one["sums"] == {"ca_net": {"EUR": "3.5"}}
    assert of_one["note"] == "a test's"
    assert faults_of_publication(place, "run-1234567") == []
    assert faults_of_publication(place, "another-run") == ["the manifest is of the run run-1234567"]


def test_the_next_run_replaces_all_files_under_the_same_names(make: Callable[[], Place]) -> None:
    for n, amount in enumerate(["1", "9"]):
        publish(night(amount), None, make(), f"run-{n}", NOW + timedelta(days=n))  # type: ignore[arg-type]
    assert amounts(make()) == ["9", "9", "9"]
    assert faults_of_publication(make(), "run-1") == []


class Killed(BaseException):
    pass


def killed_before(monkeypatch: pytest.MonkeyPatch, place: Place, number: int) -> None:
    """The process ends before its replacement of this number."""
    replace, count = place.replace, iter(range(100))

    def replace_or_die(*arguments: Any) -> str:
        if next(count) == number:
            raise Killed
        return replace(*arguments)

    monkeypatch.setattr(place, "replace", replace_or_die)


@pytest.mark.parametrize("number", range(4))
def test_a_kill_between_two_files_shows_and_the_next_run_repairs_it(
    make: Callable[[], Place], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    publish(night("1"), None, make(), "first", NOW)  # type: ignore[arg-type]
    place = make()
    killed_before(monkeypatch, place, number)
    with pytest.raises(Killed):
        publish(night("2"), None, place, "killed", NOW + timedelta(hours=1))  # type: ignore[arg-type]
    assert len(faults_of_publication(make(), "first")) == number
    assert "the manifest is of the run first" in faults_of_publication(make(), "killed")
    publish(night("3"), None, make(), "third", NOW + timedelta(hours=2))  # type: ignore[arg-type]
    assert (amounts(make()), faults_of_publication(make(), "third")) == (["3", "3", "3"], [])


def test_two_publishers_at_the_same_time_follow_each_other(make: Callable[[], Place]) -> None:
    errors: list[BaseException] = []

    def run(amount: str) -> None:
        try:
            publish(night(amount), None, make(), f"run-{amount}", NOW)  # type: ignore[arg-type]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(str(n),)) for n in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert errors == []
    [amount] = set(amounts(make()))
    assert faults_of_publication(make(), f"run-{amount}") == []


def test_a_publisher_that_lost_its_turn_replaces_nothing_more(
    google_cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was paused, another one published meanwhile, and then it continued."""
    uri = f"gs://{google_cloud.new_bucket()}"
    late, other = (place_of(uri, SETTING, google_cloud.storage_client, HANG_SECONDS) for _ in range(2))
    publish(night("1"), None, other, "first", NOW)  # type: ignore[arg-type]
    for place in (late, other):
        monkeypatch.setattr(place, "exclusive", nullcontext)
    replace, paused = late.replace, iter([True])

    def replace_after_the_other(*arguments: Any) -> str:
        if next(paused, False):
            publish(night("2"), None, other, "second", NOW + timedelta(hours=1))  # type: ignore[arg-type]
        return replace(*arguments)

    monkeypatch.setattr(late, "replace", replace_after_the_other)
    with pytest.raises(DeliveryError, match="another process replaced one/one.csv at the same time → run again"):
        publish(night("3"), None, late, "late", NOW)  # type: ignore[arg-type]
    assert (amounts(other), faults_of_publication(other, "second")) == (["2", "2", "2"], [])


def test_a_copy_with_a_lost_answer_succeeds_once(google_cloud: GoogleCloud) -> None:
    from tests.lake.places import Faults

    uri, faults = f"gs://{google_cloud.new_bucket()}", Faults(google_cloud.storage_url)
    place = place_of(uri, SETTING, google_cloud.storage_client, HANG_SECONDS)
    faults.next(r"copyTo/.*two/two\.csv", lose=True)
    try:
        publish(night("1"), None, place, "run", NOW)  # type: ignore[arg-type]
    finally:
        faults.clear()
    assert (amounts(place), faults_of_publication(place, "run")) == (["1", "1", "1"], [])


def test_a_table_with_other_columns_stops_everything(make: Callable[[], Place]) -> None:
    publish(night("1"), None, make(), "first", NOW)  # type: ignore[arg-type]
    wrong = [*night("2")[:2], file("three", "2", columns=("produit", "devise", "ca"))]
    with pytest.raises(
        DeliveryError, match=r"three.csv: the table has the columns produit, devise, ca instead of .* →"
    ):
        publish(wrong, None, make(), "second", NOW)  # type: ignore[arg-type]
    assert (amounts(make()), faults_of_publication(make(), "first")) == (["1", "1", "1"], [])


def test_stored_bytes_that_differ_stop_everything(make: Callable[[], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    place = make()
    monkeypatch.setattr(place, "stream", lambda _: io.BytesIO(b"produit,devise,ca_net\nx,EUR,1\n"))
    with pytest.raises(DeliveryError, match=r"one.csv has 1 rows and 30 bytes instead of 2 and \d+ → .*nothing was"):
        publish(night("1"), None, place, "run", NOW)  # type: ignore[arg-type]
    assert contents(make()) == {}


def test_a_full_disk_leaves_the_published_files_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(str(tmp_path), SETTING, None, HANG_SECONDS)
    publish(night("1"), None, place, "first", NOW)  # type: ignore[arg-type]

    @contextmanager
    def until_the_disk_is_full(_: object) -> Iterator[list[pa.RecordBatch]]:
        raise OSError(28, "No space left on device")
        yield []

    full = [*night("2")[:2], CsvFile("three", COLUMNS, until_the_disk_is_full, "devise", ())]
    with pytest.raises(DeliveryError, match="No space left on device → free space there.*nothing was published"):
        publish(full, None, place, "second", NOW + timedelta(hours=1))  # type: ignore[arg-type]
    assert (amounts(place), faults_of_publication(place, "first")) == (["1", "1", "1"], [])
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_missing_bucket_is_named_with_the_setting(google_cloud: GoogleCloud) -> None:
    place = place_of("gs://no-such-bucket/x", SETTING, google_cloud.storage_client, HANG_SECONDS)
    with pytest.raises(DeliveryError, match="create the bucket gs://no-such-bucket, or set MDP_LOOKER_URI to a bucket"):
        publish(night("1"), None, place, "run", NOW)  # type: ignore[arg-type]
    [fault] = faults_of_publication(place, "run")
    assert "gs://no-such-bucket/x has no manifest.json" in fault


@pytest.mark.parametrize(
    "uri", ["s3://bucket", "gs://", "gs://a*b/c", "gs:bucket", "https://storage.googleapis.com/b", "a\0b"]
)
def test_an_address_of_another_kind_is_refused(uri: str) -> None:
    with pytest.raises(DeliveryError, match=r"(?s)MDP_LOOKER_URI=.* can't be used: .* → set it to a folder"):
        place_of(uri, SETTING, None, 1)


def test_a_folder_that_is_a_file_or_read_only_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    place = place_of(str(tmp_path / "taken" / "looker"), SETTING, None, 1)
    with pytest.raises(DeliveryError, match="taken/looker can't be written: .* → .*nothing was published"):
        publish(night("1"), None, place, "run", NOW)  # type: ignore[arg-type]


def test_the_files_of_old_runs_are_removed(make: Callable[[], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_RUNS_KEPT", 2)
    place = make()
    unfinished = place.new_file(f"{publication.RUNS}/20261127T021000Z-killed/one.csv")
    for day in range(4):
        publish(night(str(day)), None, place, f"run-{day}", NOW + timedelta(days=day))  # type: ignore[arg-type]
    assert sorted(place.folders(publication.RUNS)) == ["20261130T021000Z-run-2", "20261201T021000Z-run-3"]
    assert amounts(place) == ["3", "3", "3"]
    unfinished.discard()


def test_sums_are_by_currency_and_exact(tmp_path: Path) -> None:
    place = place_of(str(tmp_path), SETTING, None, 1)
    parts = [file("one", "0.1", "0.2"), file("one", "100", currency="USD"), file("one", "0.0001")]

    @contextmanager
    def read(_: object) -> Iterator[list[pa.RecordBatch]]:
        batches = []
        for part in parts:
            with part.read(None) as found:  # type: ignore[arg-type]
                batches += found
        yield batches

    publish([CsvFile("one", COLUMNS, read, "devise", ("ca_net",))], None, place, "run", NOW)  # type: ignore[arg-type]
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["files"]["one"]["sums"] == {"ca_net": {"EUR": "0.3001", "USD": "100"}}
    assert manifest["files"]["one"]["rows"] == 4
