"""Measure the lab itself: its scale, its engines, its verdicts."""
