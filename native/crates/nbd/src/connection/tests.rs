//! The protocol, message by message. Sequences by hand, bytes as the specification draws them.

use super::*;
use crate::constants::{STRUCTURED_REPLY_MAGIC, chunk, cmd_flag, flag, opt, rep};
use crate::{BlockSizes, Command, ExportEntry, Extent, LookupError, ReadPart};

mod limits;
mod negotiate;
mod support;
mod transmit;

use support::*;
