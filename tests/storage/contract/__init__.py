"""What storage promises on any database: imported by the tests of each, which give ``db``."""
