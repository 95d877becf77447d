"""Analyses: arrays, profiles and graphs in, findings out. Imports nothing of ours but itself."""
