"""The only place that orders the stages."""
