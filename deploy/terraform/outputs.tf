output "settings" {
  description = "MDP's settings for what was made here."
  value = {
    MDP_TARGET           = "bigquery"
    MDP_LAKE_URI         = "gs://${google_storage_bucket.lake.name}/lake"
    GOOGLE_CLOUD_PROJECT = var.project
    BIGQUERY_LOCATION    = var.location
  }
}

output "runner" {
  description = "The service account that MDP acts as."
  value       = google_service_account.runner.email
}

output "reader" {
  description = "The service account for BI tools."
  value       = google_service_account.reader.email
}

output "secrets" {
  description = "The secrets that wait for their values: gcloud secrets versions add <name> --data-file=-"
  value       = sort([for secret in google_secret_manager_secret.platform : secret.secret_id])
}
