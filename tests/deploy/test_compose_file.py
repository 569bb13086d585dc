"""The compose file's guarantees: which ports are open, which services have secrets, and that mounted files exist."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .services import DEPLOY, ROOT, compose

SERVICES: dict[str, Any] = compose({"DAGSTER_POSTGRES_PASSWORD": "of-the-test"})["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("mdp"))


def mounts(service: str) -> dict[str, str]:
    """The machine's folders and files, by their path in the container."""
    volumes = [volume for volume in SERVICES[service].get("volumes", []) if isinstance(volume, dict)]
    assert all(volume["type"] == "bind" and volume["read_only"] for volume in volumes)
    return {volume["target"]: volume["source"] for volume in volumes}


def test_only_the_web_ui_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("webserver") == ["127.0.0.1:3000:3000"]
    # with a login, and only on request
    assert SERVICES["proxy"]["profiles"] == ["proxy"]
    assert set(published) == {"proxy"}
    assert "basic_auth" in (DEPLOY / "Caddyfile").read_text()


def test_a_password_is_required_and_none_is_in_the_file() -> None:
    with pytest.raises(KeyError, match="DAGSTER_POSTGRES_PASSWORD"):
        compose({})
    given = re.findall(
        r"^\w*(?:PASSWORD|TOKEN|SECRET|KEY)\w*=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.M
    )
    assert given == ["", "", "''"]


def test_only_the_code_location_has_mdps_settings_and_keys() -> None:
    with_secrets = {name for name in SERVICES if any("secrets" in source for source in mounts(name).values())}
    assert with_secrets == {"code"}
    assert SERVICES["code"]["environment"]["MDP_ENV_FILE"] == "/run/mdp-secrets/mdp.env"
    assert not any("env_file" in service for service in SERVICES.values()), "`docker inspect` would show it"


@pytest.mark.parametrize("name", OURS)
def test_mdps_containers_can_write_only_where_they_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "user" not in service
    assert not any("docker.sock" in source for source in mounts(name).values())
    writable = [volume.partition(":")[2] for volume in service.get("volumes", []) if isinstance(volume, str)]
    assert writable == (["/opt/mdp/.mdp", "/opt/mdp/dbt/target"] if name == "code" else [])


@pytest.mark.parametrize("name", OURS)
def test_all_mounted_files_of_the_repository_exist(name: str) -> None:
    for source in mounts(name).values():
        assert (DEPLOY / source).exists(), source
    assert "/opt/mdp/.mdp/dagster/dagster.yaml" in mounts(name)


def test_services_wait_for_what_they_need() -> None:
    needs = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert needs["migrate"] == {"postgres": {"condition": "service_healthy"}}
    assert needs["code"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert needs["daemon"] == needs["webserver"] == {"code": {"condition": "service_healthy"}}
    for name in set(SERVICES) - {"migrate", "proxy"}:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_postgres_is_on_a_network_without_a_route_to_the_internet() -> None:
    networks = compose({"DAGSTER_POSTGRES_PASSWORD": "x"})["networks"]
    assert networks["storage"] == {"internal": True}
    for name in ("postgres", "shop-postgres"):
        assert SERVICES[name]["networks"] == ["storage"]
        assert set(SERVICES[name]["environment"]) == {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"}
    assert SERVICES["shop-postgres"]["profiles"] == ["shop"], "only on request"


def test_the_instance_differs_from_the_repositorys_only_in_storage_and_paths() -> None:
    here, production = (yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (ROOT, DEPLOY))
    own = {"storage", "run_launcher", "compute_logs"}
    assert {name: value for name, value in production.items() if name not in own} == here
    assert production["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"
