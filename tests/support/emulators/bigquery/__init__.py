"""The emulated BigQuery: bqemulator, made to run here, and made as strict as the service where MDP relies on it.

Runs in ``.venv-emulators``, in a process of its own (``tests/support/emulators/bigquery_launcher.py``).
"""
