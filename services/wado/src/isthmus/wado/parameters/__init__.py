"""What a request says of how it wants it, read and checked."""
