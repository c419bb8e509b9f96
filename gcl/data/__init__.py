"""From raw folders to validated scenarios, manifests and encoded batches."""
