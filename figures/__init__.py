"""Figures and tables of a paper, made from run folders. No torch."""
