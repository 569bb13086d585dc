"""``make chaos``: runs MDP as real processes with many faults, then compares every row with the platforms' data.

Modules, imports going down only: ``__main__`` → rounds → acts | recovery → repeated_commands → run_outcomes →
run_starts | edits | kills | database_holder → round_state | stages | comparison | secret_leaks → plan |
mart_agreement | ledger_agreement | raw_contents | dagster_runs → plan_model | processes | disk → child_process |
workspace → api_faults | clock | sabotage | fault_counts.
"""
