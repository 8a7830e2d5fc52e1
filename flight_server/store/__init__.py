"""Datasets: a catalogue of versions, and the immutable segments that hold their rows."""
