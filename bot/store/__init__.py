"""What the bot remembers. The only room that speaks SQL."""
