"""Writes results for people and other programs: files and emails. It has no schedule and no SQL of a domain."""
