"""One file a family of models, named as transformers names it (`model_type`); gcl/models/family.py finds them."""
