//! Format and recovery are long chains of disk commands with nothing else to do meanwhile. They
//! are written as async functions and driven here, one command list in, answers out: still a
//! synchronous state machine for its user.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::io::{DiskIo, IoError, IoId, IoKind};

type Answer = Result<Option<Bytes>, IoError>;

#[derive(Default)]
struct Shared {
    next: u64,
    out: VecDeque<DiskIo>,
    answers: BTreeMap<u64, Answer>,
}

/// The task's side: commands to its disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Shared>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().expect("nothing panics while it holds this")
    }

    fn start(&self, kind: IoKind) -> u64 {
        let mut shared = self.lock();
        let id = shared.next;
        shared.next += 1;
        shared.out.push_back(DiskIo { id: IoId(id), kind });
        id
    }

    async fn run(&self, kind: IoKind) -> Answer {
        let id = self.start(kind);
        std::future::poll_fn(|_| match self.lock().answers.remove(&id) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }

    pub async fn read(&self, offset: u64, len: u64) -> Result<Bytes, IoError> {
        let bytes = self.run(IoKind::Read { offset, len }).await?;
        Ok(bytes.expect("a read is answered with bytes"))
    }

    /// All at once; answers in the order of the questions.
    pub async fn read_all(&self, wanted: &[(u64, u64)]) -> Vec<Result<Bytes, IoError>> {
        let start =
            |(offset, len): &(u64, u64)| self.start(IoKind::Read { offset: *offset, len: *len });
        let ids: Vec<u64> = wanted.iter().map(start).collect();
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let answer = std::future::poll_fn(|_| match self.lock().answers.remove(&id) {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            });
            results.push(answer.await.map(|b| b.expect("a read is answered with bytes")));
        }
        results
    }

    pub async fn write(&self, offset: u64, bufs: Vec<Bytes>, durable: bool) -> Result<(), IoError> {
        self.run(IoKind::Write { offset, bufs, durable }).await.map(|_| ())
    }

    pub async fn sync(&self) -> Result<(), IoError> {
        self.run(IoKind::Sync).await.map(|_| ())
    }

    /// First id that was not used yet.
    pub fn next_id(&self) -> u64 {
        self.lock().next
    }
}

/// The driver's side.
pub(crate) struct DiskTask<T> {
    disk: Disk,
    /// `None` once it is over.
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    result: Option<T>,
}

impl<T> DiskTask<T> {
    pub fn new<F>(start: impl FnOnce(Disk) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let disk = Disk::default();
        let future = Some(Box::pin(start(disk.clone())) as Pin<Box<dyn Future<Output = T> + Send>>);
        let mut task = Self { disk, future, result: None };
        task.advance();
        task
    }

    pub fn poll(&mut self) -> Option<DiskIo> {
        self.disk.lock().out.pop_front()
    }

    pub fn on_io(&mut self, id: IoId, answer: Answer) {
        self.disk.lock().answers.insert(id.0, answer);
        self.advance();
    }

    pub fn take(&mut self) -> Option<T> {
        self.result.take()
    }

    fn advance(&mut self) {
        let Some(future) = &mut self.future else { return };
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            self.result = Some(result);
            self.future = None;
        }
    }
}
