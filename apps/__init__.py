"""The applications: each a folder that composes model builders with data, and has commands."""
