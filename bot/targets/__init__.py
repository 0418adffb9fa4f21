"""Where software runs. Each target is a folder with the same file names."""
