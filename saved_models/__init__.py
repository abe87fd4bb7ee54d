"""Saved models shipped with the package, found with `importlib.resources`: `<app>/<version>/`."""
