"""The HTTP side: takes deliveries in, and tells how the bot is. Enqueues only, never works."""
