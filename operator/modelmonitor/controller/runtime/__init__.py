"""What keeps the controller running: queue, scheduler, lease, health, metrics."""
