"""What runs will take and have taken: `plan` before, `costs` after."""
