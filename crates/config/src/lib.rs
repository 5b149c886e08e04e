//! keepalived.conf to meaning, with spans and diagnostics.
