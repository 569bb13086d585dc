"""``make chaos``: MDP as real processes, everything that can go wrong, and then the platforms' truth, row by row.

Modules, imports going down only: ``__main__`` → rounds → acts | recovery → again → judge → starts | edits | kills |
locks → scene | stages | verify | leaks → plan | marts | raw | history | dagster_runs → planned | processes | disk →
child | place → api_faults | clock | sabotage | tally.
"""
