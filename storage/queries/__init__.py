"""What the API asks of the database: one module for each noun, answers ready for JSON."""
