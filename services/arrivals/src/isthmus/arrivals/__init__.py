"""What arrives: instance events in, study events out."""
