"""What the name of a model stands for, and whether its files may be read. No torch."""
