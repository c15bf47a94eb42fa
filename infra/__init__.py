"""The pipes: settings, PostgreSQL, Redis, jobs, mail, files, and the servers that are embedded."""
