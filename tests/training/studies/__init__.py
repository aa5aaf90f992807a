"""Studies with readers."""
