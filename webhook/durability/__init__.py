"""Writes that are on disk when they return, shared by many; or in memory when the store is out."""
