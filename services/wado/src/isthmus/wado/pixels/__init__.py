"""Instances with pixels: their heads, frames and bulk data, and the same in other transfer syntaxes."""
