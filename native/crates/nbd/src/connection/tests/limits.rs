use super::*;

#[test]
fn too_many_requests_wait() {
    let limits = Limits { requests_max: 4, ..Limits::default() };
    let mut connection = open("db0", false, limits);
    let raw = request(cmd::TRIM, 0, 0, 0, 512).repeat(10);
    assert_eq!(connection.feed(&raw), raw.len(), "staged");
    assert_eq!(connection.in_flight(), 4);
    assert!(connection.recv_targets().is_none());
    for _ in 0..10 {
        let tag = next_request(&mut connection).tag;
        connection.reply_ok(tag);
        assert!(connection.in_flight() <= 4);
    }
    assert_eq!(connection.next_event(), None);
    assert_eq!(sent(&mut connection), simple_reply(0, 0).repeat(10));
    assert!(connection.recv_targets().is_some());
}

#[test]
fn payloads_wait_for_room_but_one_always_fits() {
    let limits = Limits { bytes_max: 10_000, ..Limits::default() };
    let mut connection = open("db0", false, limits);
    connection.feed(&request(cmd::READ, 0, 1, 0, 500_000));
    connection.feed(&request(cmd::READ, 0, 2, 0, 512));
    let first = next_request(&mut connection);
    assert_eq!(connection.next_event(), None, "the second waits");
    connection.reply_read(first.tag, vec![ReadPart::Hole(500_000)]);
    assert_eq!(connection.next_event(), None, "until the answer is sent, too");
    connection.advance(500_000);
    assert_eq!(next_request(&mut connection).length, 512);
}

#[test]
fn a_client_that_never_reads_its_refusals_is_not_read_either() {
    let limits = Limits { bytes_max: 100_000, ..Limits::default() };
    let mut connection = open("db0", false, limits);
    let raw = request(99, 0, 0, 0, 0).repeat(1000);
    let mut fed = 0;
    for _ in 0..100 {
        fed += connection.feed(&raw);
    }
    assert!(fed < 200_000, "{fed}");
    assert!(connection.outgoing_bytes() < 100_000);
    let mut answers = 0;
    while connection.outgoing_bytes() > 0 {
        answers += sent(&mut connection).len() / 16;
    }
    assert_eq!(answers, fed / 28);
}

#[test]
fn every_fragmentation_reads_the_same() {
    let mut stream = option(opt::STRUCTURED_REPLY, &[]);
    stream.extend(option(opt::SET_META_CONTEXT, &meta_data("db0", &["base:allocation"])));
    stream.extend(option(77, &[1; 9000]));
    stream.extend(option(opt::GO, &info_data("db0", &[1, 3])));
    // Refusals overtake answers, so it comes first.
    stream.extend(write(3, SIZE, &[4; 700]));
    stream.extend(write(1, 100, &[3; 600]));
    stream.extend(request(cmd::READ, 0, 2, 0, 900));
    stream.extend(write(4, 4096, &[5; 4096]));
    stream.extend(request(cmd::BLOCK_STATUS, 0, 5, 0, 512));
    stream.extend(request(cmd::DISC, 0, 0, 0, 0));
    let whole = run(&stream, &[]);
    assert!(whole.len() > 1000);
    for cut in 0..stream.len() {
        assert!(run(&stream, &[cut]) == whole, "cut at {cut}");
    }
    for step in [1, 2, 3, 7, 28, 29, 4095] {
        let cuts: Vec<_> = (0..stream.len()).step_by(step).collect();
        assert!(run(&stream, &cuts) == whole, "steps of {step}");
    }
}

/// Feeds the stream in pieces and answers each request at once; all that was sent, and all
/// that was written.
fn run(stream: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut connection = connection(Limits::default());
    connection.feed(&3u32.to_be_bytes());
    let mut output = sent(&mut connection);
    let mut from = 0;
    for &cut in cuts.iter().chain([&stream.len()]) {
        while from < cut {
            from += connection.feed(&stream[from..cut]);
            loop {
                output.extend(sent(&mut connection));
                if let Some(event) = connection.next_event() {
                    output.extend(reply(&mut connection, event));
                } else if connection.outgoing_bytes() == 0 {
                    break;
                }
            }
        }
    }
    assert_eq!(connection.finished(), Some(CloseReason::Disconnected));
    output
}

fn reply(connection: &mut Connection, event: Event) -> Vec<u8> {
    let Event::Request(request) = event else { return vec![] };
    match request.command {
        Command::Read => {
            connection.reply_read(request.tag, vec![ReadPart::Hole(request.length)]);
        }
        Command::BlockStatus => {
            let extent = Extent { length: 1 << 20, hole: true, zero: true };
            connection.reply_block_status(request.tag, &[extent]);
        }
        Command::Write { data, .. } => {
            connection.reply_ok(request.tag);
            return data.to_vec();
        }
        other => panic!("{other:?}"),
    }
    vec![]
}
