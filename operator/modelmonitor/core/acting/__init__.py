"""What follows from verdicts: alerts, status, retraining."""
