//! What makes a program a well-behaved service: options, log, readiness, rights, exit codes.
