"""The isthmus command: the whole system on one machine, and its daily use from a shell."""
