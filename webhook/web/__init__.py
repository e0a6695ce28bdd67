"""The service over HTTP: one blueprint for each noun, one place that knows who asks, one table of what errors mean."""
