"""Figures and tables of the paper, from run folders. No torch."""
