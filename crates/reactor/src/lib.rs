//! The one event loop: descriptors, one timer, signals.
