"""Vision-language backbones: load real checkpoints, build the miniature ones, check that vocabularies agree."""
