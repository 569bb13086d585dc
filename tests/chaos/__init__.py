"""``make chaos``: MDP as real processes, everything that can go wrong, and then the platforms' truth, row by row.

Modules, imports going down only: ``__main__`` → rounds → recovery → acts → scene | stages → plan → planned → verify |
leaks | processes | disk → child | place → api_faults | clock | tally.
"""
