//! Connections to other peers: dialled, accepted, encrypted, and who is behind them.

mod address_book;
mod conn;
mod conns;
mod dialer;
mod established;
mod handshake;
mod links;
mod listener;
mod socket_options;
mod trust_root;

pub use address_book::{AddressBook, PeerAddress};
pub use conns::{ConnEvent, PeerConns};
pub use dialer::{DialError, DialTarget, Dialer, connect, dial_member};
pub use established::Established;
pub use handshake::{Handshake, HandshakeError};
pub use links::{LinkEvent, LinkMessage, Links, ReplyPort};
pub use listener::{Listener, Receptionist};
pub use trust_root::{Membership, TrustRoot};
