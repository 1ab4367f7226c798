//! shoal-meta
