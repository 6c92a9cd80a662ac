"""Our cache behind other libraries' interfaces, for code that was written for them. Never on the gateway's path."""
