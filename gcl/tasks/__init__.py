"""One file a task: its items, questions about them, reference answers, and facts for scoring."""
