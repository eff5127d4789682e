"""What containers need before they start: secrets as files, and the bucket."""
