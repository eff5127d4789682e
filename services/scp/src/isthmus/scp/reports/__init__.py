"""What senders report of studies: Performed Procedure Step, Instance Availability (PS3.4 F.7, R.3)."""
