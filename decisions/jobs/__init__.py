"""The decision jobs of a night: they read tables, call the mathematics beside them, and give tables back."""
