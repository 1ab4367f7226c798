//! One connected control process: a thread that reads, a thread that writes.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::frame::{self, ControlError, RequestFrame};

/// Messages waiting for a client that does not read; one more and it is cut off. It comes back
/// and asks anew: a stalled control process must cost the data process nothing.
const QUEUE_MESSAGES_MAX: usize = 4096;

/// A client that does not read its last answer is not waited for longer.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);

/// A request, and the way to answer it.
pub struct Call {
    pub method: String,
    pub params: Value,
    pub responder: Responder,
}

/// Answers one request, once, from any thread. Dropped unanswered, it says so.
pub struct Responder {
    id: u64,
    link: Option<Arc<Link>>,
}

/// The writing side of a client.
pub struct Link {
    queue: SyncSender<Queued>,
    stream: UnixStream,
}

struct Queued {
    message: Value,
    /// Told when it was written; dropped when that failed.
    written: Option<SyncSender<()>>,
}

impl Responder {
    pub fn answer(mut self, outcome: Result<Value, ControlError>) {
        if let Some(link) = self.link.take() {
            link.send(frame::answer(self.id, outcome));
        }
    }

    /// The same, and wait until it is written: for whoever ends the process next.
    pub fn answer_last(mut self, outcome: Result<Value, ControlError>) {
        let Some(link) = self.link.take() else { return };
        let (written, ended) = sync_channel(1);
        if link.queue(frame::answer(self.id, outcome), Some(written)) {
            let _the_client_may_be_gone = ended.recv_timeout(LAST_WORD_MAX);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            let lost = ControlError::new("internal", "the request was dropped; ask again");
            link.send(frame::answer(self.id, Err(lost)));
        }
    }
}

impl Link {
    /// False: the client is gone or hopelessly behind.
    pub fn send(&self, message: Value) -> bool {
        self.queue(message, None)
    }

    fn queue(&self, message: Value, written: Option<SyncSender<()>>) -> bool {
        match self.queue.try_send(Queued { message, written }) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                // The reader thread sees the end and the client is forgotten.
                let _ = self.stream.shutdown(std::net::Shutdown::Both);
                false
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// Serve `stream` until it ends. `on_call` is called on the reader thread.
pub fn serve(
    stream: UnixStream,
    on_call: impl Fn(Call) + Send + 'static,
    on_end: impl FnOnce() + Send + 'static,
) -> io::Result<Arc<Link>> {
    let (queue, messages) = sync_channel(QUEUE_MESSAGES_MAX);
    let link = Arc::new(Link { queue, stream: stream.try_clone()? });
    let writer = stream.try_clone()?;
    thread::Builder::new()
        .name("control-write".into())
        .spawn(move || write_all(writer, messages))?;
    let reader_link = link.clone();
    thread::Builder::new().name("control-read".into()).spawn(move || {
        read_all(stream, &reader_link, on_call);
        on_end();
    })?;
    Ok(link)
}

fn write_all(mut stream: UnixStream, messages: Receiver<Queued>) {
    for Queued { message, written } in messages {
        if frame::write_message(&mut stream, &message).is_err() {
            break;
        }
        if let Some(written) = written {
            let _nobody_may_wait = written.send(());
        }
    }
    // Everything that was owed is written: the last `Link` is gone, or the client is.
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn read_all(mut stream: UnixStream, link: &Arc<Link>, on_call: impl Fn(Call)) {
    while let Ok(Some(body)) = frame::read_frame(&mut stream) {
        match serde_json::from_slice::<RequestFrame>(&body) {
            Ok(request) => on_call(Call {
                method: request.method,
                params: request.params,
                responder: Responder { id: request.id, link: Some(link.clone()) },
            }),
            Err(error) => {
                let bad = ControlError::bad_request(format!("not a control request: {error}"));
                link.send(frame::answer(0, Err(bad)));
                break;
            }
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Read);
}
