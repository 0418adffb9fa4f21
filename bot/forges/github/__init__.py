"""GitHub: `webhook.py` understands its deliveries, `client.py` speaks its API."""
