"""What a training needs of a GPU's memory, estimated before anything is loaded."""
