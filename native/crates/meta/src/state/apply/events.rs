//! The ring of newest events.

use super::super::cluster::ClusterState;
use super::super::event::{Event, Severity};
use super::super::limits::{EVENT_BYTES_MAX, EVENTS_MAX};
use super::super::name::check_text;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};

impl ClusterState {
    pub(super) fn record_event(
        &mut self,
        severity: Severity,
        code: &str,
        message: &str,
        subject: &str,
    ) -> Outcome {
        check_text(Kind::Event, code)?;
        check_text(Kind::Event, subject)?;
        if message.len() > EVENT_BYTES_MAX || code.is_empty() {
            return Err(Rejection::Invalid { what: Kind::Event, fault: Fault::Text });
        }
        self.push_event(severity, code, message.to_owned(), subject.to_owned());
        Ok(Applied::Done)
    }

    /// An event that the state machine itself records. ITS TEXT IS PART OF THE STATE: two versions
    /// that word it differently would diverge, so it is never reworded without a cluster level.
    pub(in super::super) fn note(
        &mut self,
        severity: Severity,
        code: &str,
        message: String,
        subject: String,
    ) {
        self.push_event(severity, code, message, subject);
    }

    fn push_event(&mut self, severity: Severity, code: &str, message: String, subject: String) {
        self.counters.event += 1;
        let (id, time_ms) = (self.counters.event, self.time_ms);
        let code = code.to_owned();
        self.events.push_back(Event { id, time_ms, severity, code, message, subject });
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }
}
