//! shoal-nbd
