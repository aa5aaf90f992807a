"""Studies with readers: a design, a page for participants, and the analysis of their answers."""
