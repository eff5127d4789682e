"""Pictures and documents for people, made of instances in other processes."""
