# MDP's resources in a Google Cloud project: a bucket, three datasets, two service accounts and the secrets' names.
# docs/deployment.md gives the reason for each right.

resource "google_project_service" "needed" {
  for_each = toset([
    "bigquery.googleapis.com",
    "googleads.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ])
  service            = each.value
  disable_on_destroy = false
}

# ---- the lake -------------------------------------------------------------------------------------------------------
# Everything else can be rebuilt from the lake (`rebuild-raw`, then the models). A deleted object can be restored for
# 30 days. There is no lifecycle rule, because the platforms delete their data after three years and the lake must not.

resource "google_storage_bucket" "lake" {
  name                        = var.bucket
  location                    = var.location
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  soft_delete_policy {
    retention_duration_seconds = 30 * 24 * 60 * 60
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.needed]
}

# ---- the shops' CSV files for Looker Studio ---------------------------------------------------------------------------
# Every night replaces them. Their earlier versions stay for 30 days, to go back to.

resource "google_storage_bucket" "looker" {
  count                       = var.looker_bucket == "" ? 0 : 1
  name                        = var.looker_bucket
  location                    = var.location
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 30
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.needed]
}

resource "google_storage_bucket_iam_member" "runner_looker" {
  count  = var.looker_bucket == "" ? 0 : 1
  bucket = google_storage_bucket.looker[0].name
  role   = "roles/storage.objectUser"
  member = google_service_account.runner.member
}

resource "google_storage_bucket_iam_member" "reader_looker" {
  for_each   = var.looker_bucket == "" ? toset([]) : local.readers
  bucket     = google_storage_bucket.looker[0].name
  role       = "roles/storage.objectViewer"
  member     = each.value
  depends_on = [google_service_account.reader]
}

# ---- the warehouse --------------------------------------------------------------------------------------------------
# MDP creates missing tables, and could create the datasets too. Created here, MDP needs no right to create datasets.

resource "google_bigquery_dataset" "mdp" {
  for_each = {
    mdp_raw     = "Reports as received, append-only, and the extract ledger."
    mdp_staging = "Typed, flagged, the platforms unified."
    mdp_marts   = "KPIs by campaign and by client."
  }
  dataset_id                      = each.key
  description                     = each.value
  location                        = var.location
  labels                          = var.labels
  default_partition_expiration_ms = var.partition_expiration_days == null ? null : var.partition_expiration_days * 24 * 60 * 60 * 1000
  delete_contents_on_destroy      = false

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.needed]
}

# ---- mdp-runner: the code location and its runs ---------------------------------------------------------------------

resource "google_service_account" "runner" {
  account_id   = "mdp-runner"
  display_name = "MDP: pulls, loads and models"
  depends_on   = [google_project_service.needed]
}

resource "google_project_iam_member" "runner_jobs" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.runner.member
}

# A rebuild waits for the unfinished load jobs of a killed run.
resource "google_project_iam_custom_role" "job_lister" {
  role_id     = "mdpJobLister"
  title       = "MDP: sees its own jobs"
  permissions = ["bigquery.jobs.list"]
}

resource "google_project_iam_member" "runner_job_list" {
  project = var.project
  role    = google_project_iam_custom_role.job_lister.id
  member  = google_service_account.runner.member
}

resource "google_bigquery_dataset_iam_member" "runner" {
  for_each   = google_bigquery_dataset.mdp
  dataset_id = each.value.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.runner.member
}

resource "google_storage_bucket_iam_member" "runner" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectUser"
  member = google_service_account.runner.member
}

# `make as-of` creates two datasets for each instant. Their creator owns them and may drop them.
resource "google_project_iam_custom_role" "dataset_creator" {
  count       = var.as_of_datasets ? 1 : 0
  role_id     = "mdpDatasetCreator"
  title       = "MDP: creates datasets"
  permissions = ["bigquery.datasets.create"]
}

resource "google_project_iam_member" "runner_datasets" {
  count   = var.as_of_datasets ? 1 : 0
  project = var.project
  role    = google_project_iam_custom_role.dataset_creator[0].id
  member  = google_service_account.runner.member
}

# It has no key. A cluster's service account or a person impersonates it.
resource "google_service_account_iam_member" "runner_workload_identity" {
  count              = var.kubernetes_service_account == "" ? 0 : 1
  service_account_id = google_service_account.runner.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${coalesce(var.workload_identity_pool, "${var.project}.svc.id.goog")}[${var.kubernetes_service_account}]"
}

resource "google_service_account_iam_member" "runner_impersonators" {
  for_each           = toset(var.runner_impersonators)
  service_account_id = google_service_account.runner.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}

# ---- mdp-reader: BI tools -------------------------------------------------------------------------------------------

resource "google_service_account" "reader" {
  account_id   = "mdp-reader"
  display_name = "MDP: reads the marts"
  depends_on   = [google_project_service.needed]
}

locals {
  readers = toset(concat(["serviceAccount:mdp-reader@${var.project}.iam.gserviceaccount.com"], var.reader_members))
}

resource "google_project_iam_member" "reader_jobs" {
  for_each   = local.readers
  project    = var.project
  role       = "roles/bigquery.jobUser"
  member     = each.value
  depends_on = [google_service_account.reader]
}

resource "google_bigquery_dataset_iam_member" "reader_marts" {
  for_each   = local.readers
  dataset_id = google_bigquery_dataset.mdp["mdp_marts"].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
  depends_on = [google_service_account.reader]
}

# ---- the platforms' credentials -------------------------------------------------------------------------------------

resource "google_secret_manager_secret" "platform" {
  for_each  = var.secrets
  secret_id = each.value
  labels    = var.labels

  replication {
    auto {}
  }

  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "runner" {
  for_each  = google_secret_manager_secret.platform
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runner.member
}
