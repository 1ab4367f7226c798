use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::frame::{read_frame, write_frame};
use super::{Call, ControlServer, FRAME_BYTES_MAX};

fn start(name: &str) -> (ControlServer, PathBuf) {
    let path = std::env::temp_dir().join(format!("shoal-{name}-{}.sock", std::process::id()));
    let echo = |call: Call| {
        let answer = json!({ "method": call.method, "params": call.params });
        if call.method != "lost" {
            call.responder.answer(Ok(answer));
        }
    };
    (ControlServer::start(&path, echo).unwrap(), path)
}

fn ask(stream: &mut UnixStream, request: &Value) -> Value {
    write_frame(stream, request).unwrap();
    serde_json::from_slice(&read_frame(stream).unwrap().unwrap()).unwrap()
}

#[test]
fn requests_are_answered_and_events_arrive() {
    let (server, path) = start("echo");
    let mut stream = UnixStream::connect(&path).unwrap();
    let reply = ask(&mut stream, &json!({ "id": 3, "method": "hello", "params": { "a": 1 } }));
    assert_eq!(reply, json!({ "id": 3, "result": { "method": "hello", "params": { "a": 1 } } }));
    server.broadcast("state.changed", json!({ "index": 9 }));
    let event: Value = serde_json::from_slice(&read_frame(&mut stream).unwrap().unwrap()).unwrap();
    assert_eq!(event, json!({ "event": "state.changed", "data": { "index": 9 } }));
}

/// Whoever got the answer's last byte finds it written: nothing is left to a thread that may not run
/// any more.
#[test]
fn the_last_answer_is_written_when_it_was_given() {
    let path = std::env::temp_dir().join(format!("shoal-last-word-{}", std::process::id()));
    let (told, answered) = std::sync::mpsc::channel();
    let last = move |call: Call| {
        call.responder.answer_last(Ok(json!({ "last": true })));
        told.send(()).unwrap();
    };
    let _server = ControlServer::start(&path, last).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    write_frame(&mut stream, &json!({ "id": 7, "method": "end" })).unwrap();
    answered.recv().unwrap();
    stream.set_nonblocking(true).unwrap();
    let body = read_frame(&mut stream).unwrap().unwrap();
    let reply: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(reply, json!({ "id": 7, "result": { "last": true } }));
}

#[test]
fn a_dropped_request_is_answered_with_an_error() {
    let (_server, path) = start("lost");
    let mut stream = UnixStream::connect(&path).unwrap();
    let reply = ask(&mut stream, &json!({ "id": 4, "method": "lost" }));
    assert_eq!(reply["error"]["code"], "internal");
}

#[test]
fn garbage_ends_only_the_one_who_sent_it() {
    let (_server, path) = start("garbage");
    let mut good = UnixStream::connect(&path).unwrap();
    let mut long = UnixStream::connect(&path).unwrap();
    long.write_all(&(FRAME_BYTES_MAX as u32 + 1).to_le_bytes()).unwrap();
    assert!(read_frame(&mut long).unwrap().is_none(), "an over-long frame closes");
    let mut wrong = UnixStream::connect(&path).unwrap();
    let reply = ask(&mut wrong, &json!({ "id": 1, "methud": "hello" }));
    assert_eq!(reply["error"]["code"], "bad_request");
    assert!(read_frame(&mut wrong).unwrap().is_none());
    assert_eq!(ask(&mut good, &json!({ "id": 5, "method": "x" }))["id"], 5);
}
