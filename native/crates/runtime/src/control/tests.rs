use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::frame::{MESSAGE_BYTES_MAX, read_frame, write_message};
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
    write_message(stream, request).unwrap();
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
    write_message(&mut stream, &json!({ "id": 7, "method": "end" })).unwrap();
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

/// As control does: all but the last frame of a message have bit 31 of their length set.
fn read_message(stream: &mut impl Read) -> (usize, Value) {
    let (mut frames, mut whole) = (0, Vec::new());
    loop {
        let mut header = [0; 4];
        stream.read_exact(&mut header).unwrap();
        let length = u32::from_le_bytes(header);
        let bytes = (length & !(1 << 31)) as usize;
        assert!(bytes <= FRAME_BYTES_MAX);
        let at = whole.len();
        whole.resize(at + bytes, 0);
        stream.read_exact(&mut whole[at..]).unwrap();
        frames += 1;
        if length & (1 << 31) == 0 {
            return (frames, serde_json::from_slice(&whole).unwrap());
        }
    }
}

fn written(message: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_message(&mut bytes, message).unwrap();
    bytes
}

#[test]
fn a_message_is_as_many_frames_as_it_takes() {
    let envelope = serde_json::to_vec(&json!({ "id": 8, "result": "" })).unwrap().len();
    for (bytes, frames) in [
        (FRAME_BYTES_MAX, 1),
        (FRAME_BYTES_MAX + 1, 2),
        (2 * FRAME_BYTES_MAX, 2),
        (MESSAGE_BYTES_MAX, 16),
    ] {
        let message = json!({ "id": 8, "result": "x".repeat(bytes - envelope) });
        let found = written(&message);
        assert_eq!(found.len(), bytes + 4 * frames);
        assert!(read_message(&mut &found[..]) == (frames, message), "{bytes} bytes");
    }
}

#[test]
fn what_control_would_refuse_is_not_sent_and_who_asked_is_told() {
    let long = "x".repeat(MESSAGE_BYTES_MAX);
    let (_, reply) = read_message(&mut &written(&json!({ "id": 8, "result": long }))[..]);
    assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(8), &json!("unsupported")));
    assert!(written(&json!({ "event": "state.changed", "data": long })).is_empty());
}

#[test]
fn a_long_answer_leaves_the_connection_as_it_was() {
    let path = std::env::temp_dir().join(format!("shoal-long-{}.sock", std::process::id()));
    let long = |call: Call| call.responder.answer(Ok(json!("x".repeat(40 << 20))));
    let _server = ControlServer::start(&path, long).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    for id in 1..=2 {
        write_message(&mut stream, &json!({ "id": id, "method": "state.get" })).unwrap();
        let (frames, reply) = read_message(&mut stream);
        assert_eq!((frames, &reply["id"]), (3, &json!(id)));
    }
}
