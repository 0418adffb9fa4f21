"""An embedded Kubernetes API server: real HTTPS on loopback, stateful, for demo and tests."""
