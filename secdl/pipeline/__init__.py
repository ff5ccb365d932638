"""configuration → plan → tools → evidence → findings → policy → verdict → report."""
