"""All results on one HTML page."""
