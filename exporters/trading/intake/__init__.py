"""The ways in: lines by HTTP, from followed files and from Kafka become events of the state."""
