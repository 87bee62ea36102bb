"""Measurements: ratios against neighbours in the same run, never a verdict."""
