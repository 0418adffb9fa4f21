"""What a cluster does by itself: controllers, scheduler and kubelet of the embedded cluster.

A controller is a pure decision: it looks at the stored objects and says what is to be written. The
`runner` is told of changes, asks the controllers concerned, and writes through the same verbs as
every client. Conditions, reasons and messages are those of kube-controller-manager 1.37, of
kube-scheduler, and of the fake kubelet in the testbed (tests/testbed/manifests/stages.yaml).
"""
