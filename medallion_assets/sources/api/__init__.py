"""REST interfaces: requests, authentication, pages, limits. Only this package speaks HTTP."""
