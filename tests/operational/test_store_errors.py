"""A PostgreSQL that can't be used gives one message with the place and the remedy, and no secret."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from pydantic import SecretStr

from mdp_dagster.operational import postgres
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.operational.errors import StoreError
from mdp_dagster.operational.postgres import store_address
from mdp_dagster.operational.postgres_errors import Address, read_address
from mdp_dagster.settings import Settings
from tests.deploy.postgres import free_port

from .conftest import new_shop
from .shop_rows import Order, TestStore

SECRET = "hush-hush-secret"


@contextmanager
def refused(place: str, cause: str, remedy: str) -> Iterator[None]:
    with pytest.raises(StoreError) as raised:
        yield
    words = str(raised.value)
    assert place in words and cause in words.split("→")[0] and remedy in words.split("→")[1], words
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def store_at(url: str) -> TestStore:
    return TestStore(read_address(url), new_shop())


def test_a_server_that_does_not_answer() -> None:
    port = free_port()
    with refused(f"127.0.0.1:{port}/shops", "refused", "start PostgreSQL, or correct host and port"):
        store_at(f"postgresql://mdp:{SECRET}@127.0.0.1:{port}/shops").load([Order(1)])
    with refused("nowhere.invalid:5432/shops", "nowhere.invalid", "correct host and port in MDP_SHOP_POSTGRES_URL"):
        store_at(f"postgresql://mdp:{SECRET}@nowhere.invalid/shops").watermark(1, "orders")


def test_a_wrong_password_and_a_wrong_database(postgres_server: RunningServer) -> None:
    place = f"127.0.0.1:{postgres_server.port}"
    with refused(place, "password authentication failed", "correct the user and the password"):
        store_at(f"postgresql://mdp:{SECRET}@{place}/postgres").prepare()
    with refused(place, 'database "shops" does not exist', "create it, or correct its name"):
        store_at(postgres_server.url.replace("/postgres", "/shops")).prepare()


def test_a_server_that_only_reads(store: TestStore, postgres_server: RunningServer) -> None:
    store.prepare()
    read_only = store_at(f"{postgres_server.url}?options=-c%20default_transaction_read_only%3Don")
    with refused("127.0.0.1", "read-only transaction", "to the primary server"):
        read_only.load([Order(1)])
    assert read_only.watermark(1, "orders") is None


def test_a_user_without_the_right_to_write(store: TestStore, postgres_server: RunningServer) -> None:
    store.prepare()
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"create role reader login password '{SECRET}'")
    with refused("127.0.0.1", "permission denied", "grant the user the right"):
        store_at(f"postgresql://reader:{SECRET}@127.0.0.1:{postgres_server.port}/postgres").load([Order(1)])


def test_a_full_disk(store: TestStore, postgres_server: RunningServer) -> None:
    """A database of its own, where the first write fails as on a full disk."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("create database full_disk")
    full = store_at(postgres_server.url.replace("/postgres", "/full_disk"))
    full.load([Order(1)])
    with psycopg.connect(full.address.url) as connection:
        connection.execute(
            """
            create function full_disk() returns trigger language plpgsql as $$ begin
                raise exception using errcode = 'disk_full',
                    message = 'could not extend file "base/5/16392": No space left on device';
            end $$;
            create trigger full_disk before insert on shop.order_sales execute function full_disk()
            """
        )
    with refused("/full_disk", "No space left on device", "free space on the server's disk"):
        full.load([Order(1, 5, ("3.00",))])
    assert full.orders()[1][1] == ["(100,10)"]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://mdp:{SECRET}/x@host/db",
        f"postgresql://mdp:x@{SECRET}@host/db",
        f"postgresql://mdp:%{SECRET}@host/db",
        f"postgresql://mdp:a/{SECRET}@host:5432/db",
        f"mysql://mdp:{SECRET}@host/db",
        f"host=there password={SECRET}",
        f"postgresql://{SECRET}:{SECRET}:{SECRET}",
        f"postgresql://mdp:\udcff{SECRET}@host/db",
    ],
)
def test_an_address_that_is_not_valid_is_never_shown(url: str) -> None:
    with refused("MDP_SHOP_POSTGRES_URL", "not a valid address", "postgresql://user:password@host:5432/database"):
        read_address(url)


def test_the_parts_of_an_address() -> None:
    address = read_address("postgresql://mdp:p%40ss%2Fw@db.example:6543/shops?sslmode=require")
    assert (address.display_name, address.password) == ("PostgreSQL at db.example:6543/shops", "p@ss/w")


def test_a_server_that_is_too_old(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_OLDEST_VERSION", 99)
    with refused("127.0.0.1", "has version 18", "MDP needs PostgreSQL 99 or newer"):
        TestStore(address, new_shop()).prepare()


def test_the_address_comes_from_the_settings(postgres_server: RunningServer) -> None:
    settings = Settings.model_construct(shop_postgres_url=SecretStr(postgres_server.url))
    assert store_address(settings).url == postgres_server.url


def test_a_database_of_an_earlier_version_gets_its_missing_columns(postgres_server: RunningServer) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("create database earlier")
    store = store_at(postgres_server.url.replace("/postgres", "/earlier"))
    store.load([Order(1)])
    with psycopg.connect(store.address.url) as connection:
        connection.execute("alter table shop.orders drop column ship_city")
    store.load([Order(1, 5, columns={"ship_city": "Lyon"})])
    assert store.query("select ship_city from shop.orders where shop_id = $shop") == [("Lyon",)]
