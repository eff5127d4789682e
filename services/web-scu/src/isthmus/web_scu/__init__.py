"""The worker for inboxes, DICOMweb servers and S3 buckets."""
