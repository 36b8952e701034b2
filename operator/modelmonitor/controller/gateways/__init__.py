"""What the controller talks to: Kubernetes, collectors, the pane store."""
