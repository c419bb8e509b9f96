"""Is a raw folder fit for training? Errors that stop it, warnings for people to judge, and a page to look at."""
