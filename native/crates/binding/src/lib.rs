//! shoal-binding
