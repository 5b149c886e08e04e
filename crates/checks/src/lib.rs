//! Rise, fall and scheduling of health checks, sans I/O.
