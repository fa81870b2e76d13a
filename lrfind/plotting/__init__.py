"""Figures: axes, panels and the drawing of them."""
