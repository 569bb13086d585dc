from __future__ import annotations

from itertools import count

import pytest

from mdp_dagster.connectors.shop_documents import ShopFacts
from mdp_dagster.operational.embedded_server import RunningServer
from mdp_dagster.operational.postgres_errors import Address, read_address

from .shop_rows import TestStore

_shop_ids = count(2**53 + 1)  # a float would round them


@pytest.fixture(scope="session")
def address(postgres_server: RunningServer) -> Address:
    return read_address(postgres_server.url)


@pytest.fixture
def store(address: Address) -> TestStore:
    """The store with a shop that no other test has."""
    return TestStore(address, new_shop())


def new_shop() -> ShopFacts:
    number = next(_shop_ids)
    return ShopFacts(
        shop_id=number, domain=f"shop-{number}.example", name="Shop", time_zone="Europe/Paris", currency="EUR"
    )
