"""The composition root: settings → adapters → reconcilers → web and worker.

The only room that names concrete classes, and the only one that starts the two children of
`gitops-bot serve`.
"""
