"""Pixels: decoding, encoding and transcoding of frames (PS3.5 8, Annex A), in processes of their own."""
