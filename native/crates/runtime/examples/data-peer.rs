//! The data process without Node, and a client of its control socket: for guests where every
//! instruction is emulated, and for a look at a running peer.
//!
//! ```text
//! data-peer run CONFIG                the data process itself, as the daemon starts it
//! data-peer call SOCKET METHOD JSON   one request of control; prints the result
//! data-peer join SOCKET              lets every member that is out of sync join, as control would
//! data-peer detach DIR VOLUME         takes a device down with no daemon running
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

/// Largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", config] => {
            let code = shoal_runtime::run(&std::fs::read_to_string(config)?)?;
            shoal_runtime::process::leave(code)
        }
        ["call", socket, method, params] => {
            Ok(print(call(socket, method, &serde_json::from_str(params)?)?))
        }
        ["join", socket] => join(socket),
        ["detach", dir, volume] => {
            let path = shoal_runtime::kernel_devices::force_detach(Path::new(dir), volume)?;
            println!("{path}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err("usage: see the head of this file".into()),
    }
}

type Answer = Result<Value, Value>;

fn print(answer: Answer) -> ExitCode {
    match answer {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn call(socket: &str, method: &str, params: &Value) -> Result<Answer, Box<dyn Error>> {
    let mut stream = UnixStream::connect(socket)?;
    let hello = json!({ "protocol_min": 1, "protocol_max": 1, "client": "data-peer" });
    send(&mut stream, &json!({ "id": 1, "method": "hello", "params": hello }))?;
    send(&mut stream, &json!({ "id": 2, "method": method, "params": params }))?;
    loop {
        let mut message = receive(&mut stream)?;
        // Events, and the answer to the hello, are passed over.
        if message["id"] == 2 {
            let error = message.get_mut("error").map(Value::take);
            return Ok(error.map_or_else(|| Ok(message["result"].take()), Err));
        }
    }
}

fn join(socket: &str) -> Result<ExitCode, Box<dyn Error>> {
    let state = call(socket, "state.get", &Value::Null)?.map_err(|error| error.to_string())?;
    let mut items = Vec::new();
    for policy in state["policies"].as_array().into_iter().flatten() {
        for pg in policy["pgs"].as_array().into_iter().flatten() {
            let list = |name: &str| pg[name].as_array().cloned().unwrap_or_default();
            let in_sync = list("in_sync");
            let out = list("members").into_iter().find(|disk| !in_sync.contains(disk));
            if let (Some(disk), true) = (out, pg["joining"].is_null()) {
                let id = json!({ "policy": policy["id"], "index": pg["index"] });
                items.push(json!({ "pg": id, "disk": disk, "expected": pg["epoch"] }));
            }
        }
    }
    if items.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    // New for each state: the same proposal again is the same one.
    let id = format!("{:032x}", state["index"].as_u64().unwrap_or(0));
    let command = json!({ "type": "pg_join", "items": items });
    let params = json!({ "command": command, "proposal_id": id });
    Ok(print(call(socket, "propose", &params)?))
}

fn send(stream: &mut UnixStream, message: &Value) -> std::io::Result<()> {
    let body = message.to_string();
    stream.write_all(&(body.len() as u32).to_le_bytes())?;
    stream.write_all(body.as_bytes())
}

fn receive(stream: &mut UnixStream) -> Result<Value, Box<dyn Error>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > ANSWER_BYTES_MAX {
        return Err(format!("an answer of {length} bytes").into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
