"""The values for Dagster's chart. The chart is not in the repository: its schema's keys are listed below."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from mdp_dagster.connectors.sources import all_sources
from mdp_dagster.google_cloud.settings import GoogleCloudSettings
from mdp_dagster.settings import Settings

from .services import DEPLOY

VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
INSTANCE: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
[DEPLOYMENT] = VALUES["dagster-user-deployments"]["deployments"]

# The allowed keys, from the chart's values.yaml and schema.
POD = {"podSecurityContext", "securityContext", "resources", "volumes", "volumeMounts", "nodeSelector", "affinity"}
POD |= {"tolerations", "annotations", "labels", "env", "envConfigMaps", "envSecrets"}
POD |= {"readinessProbe", "livenessProbe", "startupProbe", "schedulerName"}
KNOWN = {
    "": {
        *("global", "serviceAccount", "postgresql", "generatePostgresqlPasswordSecret", "dagster-user-deployments"),
        *("runLauncher", "dagsterDaemon", "dagsterWebserver", "ingress", "scheduler", "pythonLogs", "retention"),
        *("telemetry", "additionalInstanceConfig", "extraManifests", "imagePullSecrets", "computeLogManager"),
    },
    "global": {"dagsterHome", "postgresqlSecretName", "serviceAccountName"},
    "serviceAccount": {"create", "name", "annotations"},
    "postgresql": {
        *("enabled", "image", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlParams"),
        *("postgresqlScheme", "service"),
    },
    "dagster-user-deployments": {
        "enabled", "enableSubchart", "imagePullSecrets", "serviceAccount", "rbacEnabled", "deployments",
    },
    "dagsterDaemon": {"enabled", "image", "heartbeatTolerance", "runCoordinator", "runMonitoring", "runRetries", *POD},
    "dagsterWebserver": {"replicaCount", "image", "service", "pathPrefix", "logLevel", *POD},
    "scheduler": {"type", "config"},
    "pythonLogs": {"managedPythonLoggers", "pythonLogLevel"},
    "retention": {"enabled", "schedule", "sensor", "autoMaterialize"},
}  # fmt: skip
OF_A_DEPLOYMENT = POD | {"name", "image", "dagsterApiGrpcArgs", "codeServerArgs", "includeConfigInLaunchedRuns", "port"}
OF_THE_LAUNCHER = {
    *("image", "imagePullPolicy", "jobNamespace", "loadInclusterConfig", "kubeconfigFile", "envConfigMaps"),
    *("envSecrets", "envVars", "volumeMounts", "volumes", "labels", "failPodOnRunFailure", "resources"),
    *("schedulerName", "securityContext", "runK8sConfig"),
}
RAW = {"containerConfig", "podSpecConfig", "podTemplateSpecMetadata", "jobSpecConfig", "jobMetadata"}


def test_every_key_is_in_the_charts_schema() -> None:
    for part, known in KNOWN.items():
        assert set(VALUES[part] if part else VALUES) <= known, part
    assert set(DEPLOYMENT) <= OF_A_DEPLOYMENT
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    assert set(launcher) <= OF_THE_LAUNCHER
    assert set(launcher["runK8sConfig"]) <= RAW


def test_every_pod_uses_the_same_image_and_none_runs_as_root() -> None:
    parts = [DEPLOYMENT, VALUES["dagsterDaemon"], VALUES["dagsterWebserver"]]
    assert len({json.dumps(part["image"]) for part in parts}) == 1
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    pods = [part["podSecurityContext"] for part in parts] + [
        launcher["runK8sConfig"]["podSpecConfig"]["securityContext"]
    ]
    assert all(pod["runAsNonRoot"] and pod["runAsUser"] == 10001 for pod in pods)
    containers = [part["securityContext"] for part in [*parts, launcher]]
    assert all(one["capabilities"] == {"drop": ["ALL"]} for one in containers)
    assert not any(one["allowPrivilegeEscalation"] for one in containers)
    assert VALUES["dagsterWebserver"]["service"]["port"] >= 1024


def test_only_code_and_runs_are_somebody_in_google_cloud_and_only_the_others_start_jobs() -> None:
    code = VALUES["dagster-user-deployments"]
    assert "iam.gke.io/gcp-service-account" in code["serviceAccount"]["annotations"]
    assert "annotations" not in VALUES["serviceAccount"]
    assert code["serviceAccount"]["name"] != VALUES["serviceAccount"]["name"]
    assert code["rbacEnabled"] is False
    assert DEPLOYMENT["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert "envSecrets" not in VALUES["dagsterDaemon"] and "envSecrets" not in VALUES["dagsterWebserver"]


def test_no_secret_is_a_value_and_the_web_ui_has_no_ingress() -> None:
    assert VALUES["generatePostgresqlPasswordSecret"] is False
    assert not re.search(
        r"^\s*(- )?\w*(password|token|secret)\w*: [^\s&]",
        yaml.safe_dump(VALUES["dagster-user-deployments"]),
        re.I | re.M,
    )
    assert "postgresqlPassword" not in VALUES["postgresql"]
    assert DEPLOYMENT["envSecrets"] == [{"name": "mdp-secrets"}]
    assert VALUES["ingress"] == {"enabled": False}
    assert VALUES["dagsterWebserver"]["service"]["type"] == "ClusterIP"


def test_the_settings_are_mdps() -> None:
    known = {f"MDP_{name.upper()}" for name in Settings.model_fields}
    known |= {str(field.alias) for field in GoogleCloudSettings.model_fields.values()}
    known |= {
        source.environment_prefix + name.upper() for source in all_sources() for name in source.settings.model_fields
    }
    given = {variable["name"]: variable["value"] for variable in DEPLOYMENT["env"]}
    assert set(given) - known == {"DAGSTER_EVENT_BATCH_SIZE"}
    assert given["MDP_TARGET"] == "bigquery"
    assert given["MDP_LAKE_URI"].startswith("gs://")


def test_the_instance_is_that_of_compose() -> None:
    daemon = VALUES["dagsterDaemon"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == INSTANCE["concurrency"]["runs"]["max_concurrent_runs"]
    assert daemon["runMonitoring"]["startTimeoutSeconds"] == INSTANCE["run_monitoring"]["start_timeout_seconds"]
    job = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["jobSpecConfig"]
    assert job["activeDeadlineSeconds"] == INSTANCE["run_monitoring"]["max_runtime_seconds"]
    catchup = VALUES["scheduler"]["config"]["daemonScheduler"]["maxCatchupRuns"]
    assert catchup == INSTANCE["scheduler"]["config"]["max_catchup_runs"]
    assert VALUES["pythonLogs"]["managedPythonLoggers"] == INSTANCE["python_logs"]["managed_python_loggers"]
    assert VALUES["retention"]["schedule"]["purgeAfterDays"] == INSTANCE["retention"]["schedule"]["purge_after_days"]
    sensor = {**VALUES["retention"]["sensor"]["purgeAfterDays"]}
    assert sensor.pop("started") == -1
    assert sensor == INSTANCE["retention"]["sensor"]["purge_after_days"]
    assert VALUES["postgresql"]["postgresqlScheme"] == INSTANCE["storage"]["postgres"]["postgres_db"]["scheme"]
    assert VALUES["telemetry"] == INSTANCE["telemetry"] == {"enabled": False}
