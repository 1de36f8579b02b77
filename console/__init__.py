"""What people and programs read over HTTP: REST API, health, metrics, pages."""
