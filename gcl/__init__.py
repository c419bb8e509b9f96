"""Group Competitive Learning: joint fine-tuning of competing vision-language models, as a reproducible workflow."""

__version__ = "0.1.0"
