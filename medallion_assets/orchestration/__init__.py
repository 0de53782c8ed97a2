"""What the lake looks like in Dagster: the only package that imports it. Asset bodies call the project."""
