"""From a download to the canonical raw folder: `gcl data inspect` proposes a mapping, `gcl data import` applies it."""
