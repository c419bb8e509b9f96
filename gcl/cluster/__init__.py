"""Looking after runs on a cluster: `doctor` before, `status` meanwhile."""
