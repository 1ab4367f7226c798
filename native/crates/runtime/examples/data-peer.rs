//! The data process without Node, and a client of its control socket: for guests where every
//! instruction is emulated, and for a look at a running peer.
//!
//! ```text
//! data-peer run CONFIG                the data process itself, as the daemon starts it
//! data-peer call SOCKET METHOD JSON   one request of control; prints the result
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
            Ok(ExitCode::from(code as u8))
        }
        ["call", socket, method, params] => call(socket, method, &serde_json::from_str(params)?),
        ["detach", dir, volume] => {
            let path = shoal_runtime::kernel_devices::force_detach(Path::new(dir), volume)?;
            println!("{path}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err("usage: see the head of this file".into()),
    }
}

fn call(socket: &str, method: &str, params: &Value) -> Result<ExitCode, Box<dyn Error>> {
    let mut stream = UnixStream::connect(socket)?;
    let hello = json!({ "protocol_min": 1, "protocol_max": 1, "client": "data-peer" });
    send(&mut stream, &json!({ "id": 1, "method": "hello", "params": hello }))?;
    send(&mut stream, &json!({ "id": 2, "method": method, "params": params }))?;
    loop {
        let message = receive(&mut stream)?;
        match message["id"].as_u64() {
            Some(2) if message.get("error").is_some() => {
                eprintln!("{}", message["error"]);
                return Ok(ExitCode::FAILURE);
            }
            Some(2) => {
                println!("{}", message["result"]);
                return Ok(ExitCode::SUCCESS);
            }
            // Events, and the answer to the hello.
            _ => {}
        }
    }
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
