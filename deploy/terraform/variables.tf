variable "project" {
  description = "The Google Cloud project: GOOGLE_CLOUD_PROJECT."
  type        = string
}

variable "location" {
  description = "Where datasets and bucket are, e.g. EU or europe-west3: BIGQUERY_LOCATION. They can't be moved later."
  type        = string
}

variable "bucket" {
  description = "The lake's bucket: MDP_LAKE_URI is gs://<bucket>/lake. Names of buckets are unique in the world."
  type        = string
}

variable "looker_bucket" {
  description = "A bucket for the shops' CSV files: MDP_LOOKER_URI is gs://<bucket>/looker. It is not the lake's, which readers must not see. Empty: none."
  type        = string
  default     = ""
}

variable "labels" {
  description = "On bucket, datasets and secrets. They show in the bill. Give MDP_BIGQUERY_LABELS the same."
  type        = map(string)
  default     = {}
}

variable "partition_expiration_days" {
  description = "After how many days a day's partition is dropped from new tables: MDP_BIGQUERY_PARTITION_EXPIRATION_DAYS, 400 at least. Null: never."
  type        = number
  default     = null

  validation {
    condition     = var.partition_expiration_days == null || coalesce(var.partition_expiration_days, 400) >= 400
    error_message = "Shorter than 400 days, and what late data and the checks compare with would be gone."
  }
}

variable "as_of_datasets" {
  description = "Whether `make as-of` may run in production: it creates datasets, which takes a right on the project."
  type        = bool
  default     = false
}

variable "kubernetes_service_account" {
  description = "<namespace>/<service account> that acts as mdp-runner by workload identity, e.g. mdp/mdp-runner. Empty: none."
  type        = string
  default     = ""
}

variable "workload_identity_pool" {
  description = "The cluster's pool. Default: <project>.svc.id.goog."
  type        = string
  default     = ""
}

variable "runner_impersonators" {
  description = "Who may act as mdp-runner without a key: members such as user:ada@example.com."
  type        = list(string)
  default     = []
}

variable "reader_members" {
  description = "Who may read the marts besides mdp-reader: members such as group:analysts@example.com."
  type        = list(string)
  default     = []
}

variable "secrets" {
  description = "The Secret Manager secrets for the platforms' credentials. Only their names: values don't belong in Terraform's state."
  type        = set(string)
  default = [
    "mdp-google-ads-developer-token",
    "mdp-google-ads-client-secret",
    "mdp-google-ads-refresh-token",
    "mdp-meta-access-token",
    "mdp-meta-app-secret",
    "mdp-shopify-client-secret",
    "mdp-shop-postgres-url",
    "mdp-smtp-url",
  ]
}
