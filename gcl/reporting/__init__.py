"""From metrics files to tables and figures; nothing here trains or loads a model."""
