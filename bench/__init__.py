"""`make bench`: how fast the whole system is, against what bounds it, measured from outside in one run."""
