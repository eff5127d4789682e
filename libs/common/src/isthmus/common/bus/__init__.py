"""NATS: requests with streamed answers, work queues, and the progress of jobs."""
