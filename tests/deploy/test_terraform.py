"""The roles that Terraform grants, and their description in the docs. The files are read as text, without Terraform."""

from __future__ import annotations

import re

import yaml

from mdp_dagster.warehouse.base import MARTS, RAW, STAGING

from .services import DEPLOY, ROOT

MAIN = (DEPLOY / "terraform" / "main.tf").read_text()
BLOCKS = {
    (kind, name): body for kind, name, body in re.findall(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', MAIN, re.M | re.S)
}
BROAD = ("owner", "editor", "viewer", "admin", "bigquery.dataOwner", "bigquery.user", "storage.objectAdmin")


def roles() -> dict[str, set[str]]:
    """The roles of each account, by the account's name."""
    given: dict[str, set[str]] = {"mdp-runner": set(), "mdp-reader": set()}
    for (_, name), body in BLOCKS.items():
        for role in re.findall(r'^\s+role\s+= "(roles/[\w.]+)"', body, re.M):
            if not role.startswith("roles/iam."):  # these roles allow others to impersonate the account
                given["mdp-reader" if name.startswith("reader") else "mdp-runner"].add(role)
    return given


def test_each_account_has_its_few_rights_and_the_docs_give_their_reasons() -> None:
    assert roles() == {
        "mdp-runner": {
            "roles/bigquery.jobUser",
            "roles/bigquery.dataEditor",
            "roles/storage.objectUser",
            "roles/secretmanager.secretAccessor",
        },
        "mdp-reader": {"roles/bigquery.jobUser", "roles/bigquery.dataViewer", "roles/storage.objectViewer"},
    }
    text = (ROOT / "docs" / "deployment.md").read_text()
    said = re.findall(r"^\| `(mdp-\w+)` \| `(roles/[\w.]+)` \|", text, re.M)
    assert set(said) == {(account, role) for account, some in roles().items() for role in some}


def test_project_roles_allow_jobs_and_optionally_new_datasets() -> None:
    on_project = {name: body for (kind, name), body in BLOCKS.items() if kind == "google_project_iam_member"}
    assert set(on_project) == {"runner_jobs", "runner_job_list", "reader_jobs", "runner_datasets"}
    assert "count   = var.as_of_datasets ? 1 : 0" in on_project["runner_datasets"]
    assert 'permissions = ["bigquery.datasets.create"]' in BLOCKS["google_project_iam_custom_role", "dataset_creator"]
    assert 'permissions = ["bigquery.jobs.list"]' in BLOCKS["google_project_iam_custom_role", "job_lister"]
    assert not any(f'"roles/{role}"' in MAIN for role in BROAD)
    assert "google_service_account_key" not in MAIN


def test_the_reader_reads_the_marts_and_nothing_else() -> None:
    [reads] = [
        body for (kind, name), body in BLOCKS.items() if kind.endswith("dataset_iam_member") and "reader" in name
    ]
    assert 'google_bigquery_dataset.mdp["mdp_marts"]' in reads


def test_the_readers_of_the_csv_files_do_not_see_the_lake() -> None:
    [bucket] = re.findall(r"bucket += (\S+)", BLOCKS["google_storage_bucket_iam_member", "reader_looker"])
    assert bucket == "google_storage_bucket.looker[0].name"


def test_data_that_can_not_be_restored_is_protected() -> None:
    lake = BLOCKS["google_storage_bucket", "lake"]
    assert 'public_access_prevention    = "enforced"' in lake
    assert "uniform_bucket_level_access = true" in lake
    assert "retention_duration_seconds" in lake and "lifecycle_rule" not in lake
    datasets = BLOCKS["google_bigquery_dataset", "mdp"]
    assert set(re.findall(r"^    (mdp_\w+)", datasets, re.M)) == {RAW, STAGING, MARTS}
    assert all("prevent_destroy = true" in body for body in (lake, datasets))


def test_the_secrets_names_are_those_that_kubernetes_fetches() -> None:
    variables = (DEPLOY / "terraform" / "variables.tf").read_text()
    made = set(re.findall(r'^    "(mdp-[\w-]+)",$', variables, re.M))
    _, fetched = yaml.safe_load_all((DEPLOY / "helm" / "external-secrets.yaml").read_text())
    assert {entry["remoteRef"]["key"] for entry in fetched["spec"]["data"]} == made
    example = (ROOT / ".env.example").read_text()
    assert all(f"\n{entry['secretKey']}=" in example for entry in fetched["spec"]["data"])
