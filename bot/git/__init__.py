"""The only room that speaks git."""
