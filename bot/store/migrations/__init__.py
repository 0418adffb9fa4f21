"""The migration chain. A revision is never changed after a release; a later one goes on."""
