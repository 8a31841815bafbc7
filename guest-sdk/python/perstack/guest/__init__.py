"""What is inside a component, and nowhere else: the host as componentize-py binds it."""
