"""Stand-ins for the services, in a process of their own."""
