"""The worker for inboxes."""
