"""What is made from instances: once, kept in memory or in S3, and shared by all who wait for it."""
