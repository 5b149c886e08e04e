//! Frames, codecs and messages: one file per link between processes.
