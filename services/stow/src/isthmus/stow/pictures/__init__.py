"""Compressed pixel data as clients send them, and what they say of themselves (PS3.18 10.5.2)."""
