"""The demo: an embedded forge, an embedded cluster and the bot on loopback, and a story on them."""
