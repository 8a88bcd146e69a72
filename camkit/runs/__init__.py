"""Whole runs, as the commands start them: inputs on disk, a folder of results."""
