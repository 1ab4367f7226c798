//! Set-up of the kernel's nbd client.
