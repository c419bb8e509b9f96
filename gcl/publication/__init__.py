"""A trained member for others: card, citation, crate and hashes in one folder, and its way to the hub."""
