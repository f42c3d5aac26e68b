"""SQL databases: MariaDB and MySQL, PostgreSQL, SQLite."""
