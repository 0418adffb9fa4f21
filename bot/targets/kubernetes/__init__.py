"""The Kubernetes engine: diff, plan, apply, prune, health."""
