//! shoal-ublk
