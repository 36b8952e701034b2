"""The controller: handlers, then reconcile, then gateways, kept running by runtime."""
