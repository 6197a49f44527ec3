//! The reply loop of `channels serve`.
