"""Storage Commitment Push Model as provider (PS3.4 Annex J): requests are kept, worked off, and reported."""
