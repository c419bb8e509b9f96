"""What members are trained on and asked: samples, questions and scorers of planning tasks."""
