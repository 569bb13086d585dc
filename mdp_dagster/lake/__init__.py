"""The lake: immutable Parquet files, one per extract, in a local folder or a bucket of Cloud Storage."""

from mdp_dagster.lake.errors import LakeError
from mdp_dagster.lake.lake import Lake

__all__ = ["Lake", "LakeError"]
