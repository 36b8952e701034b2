"""What runs inside the demo's pods: data, model, server, traffic and retraining."""
