"""Turn a directory of a revision into manifests."""
